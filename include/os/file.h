/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small files of the host, for state that has to outlive a loss of power. See os/memory.h for what
 * this contract is.
 *
 * Each call is one step that either happened or did not; what of it survives a loss of power is
 * said with it. Whoever wants a change to happen as a whole puts the steps in order. Paths are
 * absolute and end with a NUL; they mean what they mean to the first process of the host, whoever
 * calls. Context of all: a thread of ours; they sleep as long as the storage below takes.
 */
#ifndef CHISCSI_OS_FILE_H
#define CHISCSI_OS_FILE_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OS_PATH_SIZE 512 /* bytes of a path, the NUL counted */

/** os_folder_make() - makes a folder for root alone; one that is there is fine. */
int os_folder_make(const char *path);
/** os_folder_sync() - the entries of a folder as they are now survive a loss of power. */
int os_folder_sync(const char *path);
/**
 * os_file_write() - a new file, or other content for one that is there; for root alone. The content
 * survives a loss of power, a new name may not.
 * Return: 0, or a negative errno; then the content is anything.
 */
int os_file_write(const char *path, const void *data, size_t size);
/**
 * os_file_read() - the whole content.
 * Return: bytes read, -ENOENT when there is none, -EFBIG when it is longer than @room, or another
 * negative errno.
 */
long os_file_read(const char *path, void *data, size_t room);
/** os_file_rename() - @to is what @from was, or nothing has changed; both in the same folder. */
int os_file_rename(const char *from, const char *to);
/** os_file_remove() - -ENOENT when there is none. */
int os_file_remove(const char *path);

#ifdef __cplusplus
}
#endif
#endif
