/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What module.c starts and ends of the host's own: the parts of include/os that have state.
 *
 * Order at load: digest, storage, engine, control device, views. Order at unload: views, control
 * device, engine, sockets, storage, digest, memory. Each end function returns when no code of this module runs or
 * will run on behalf of its part.
 */
#ifndef CHISCSI_GLUE_H
#define CHISCSI_GLUE_H

/** os_digest_start() - looks up the hashes; a missing one is not an error. Context: process. */
void os_digest_start(void);
/** os_digest_stop() - gives the hashes back. Context: process. */
void os_digest_stop(void);

/** os_storage_start() - makes the reserves and threads. Return: 0 or -ENOMEM. Context: process. */
int os_storage_start(void);
/** os_storage_stop() - gives them back; no storage is open any more. Context: process. */
void os_storage_stop(void);

/** control_device_start() - makes /dev/chiscsi. Return: 0 or a negative errno. Context: process. */
int control_device_start(void);
/** control_device_stop() - takes it away; nobody has it open, for that holds the module. */
void control_device_stop(void);

/** debug_views_start() - makes the files in debugfs, as far as there is one. Context: process. */
void debug_views_start(void);
/** debug_views_stop() - takes them away; nobody has one open, for that holds the module. */
void debug_views_stop(void);

/** os_memory_drain() - waits until all deferred frees are done. Context: process. */
void os_memory_drain(void);

/** os_socket_start() - before the first socket. Return: 0 or -ENOMEM. Context: process. */
int os_socket_start(void);

/**
 * os_socket_stop() - waits until the network refers to no memory and no callback of ours.
 *
 * All sockets are closed before. The wait ends by itself, see os_socket_close(); it says so in the
 * log when it takes long. Context: process.
 */
void os_socket_stop(void);

#endif
