/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the C++ part of ifacedriver needs from the kernel, as plain C.
 *
 * The C++ files include no kernel header: everything with a layout of the
 * kernel's own is an opaque pointer here, made and used by iface_linux.c. The
 * unit tests implement the same functions in user space.
 */
#ifndef IFACE_OS_H
#define IFACE_OS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Memory, zeroed. I/O-safe: never starts I/O to find memory. May sleep. */
void *iface_os_alloc(unsigned long bytes);
void iface_os_free(void *memory);

/*
 * 1 << order physically contiguous pages, zeroed. Returns the "struct page *" and
 * stores the address. May sleep, and gives up rather than kill a process.
 */
void *iface_os_pages_alloc(unsigned int order, unsigned char **address);
void iface_os_pages_free(void *page, unsigned int order);
unsigned int iface_os_page_shift(void);
/* Bytes that can be had without starving others; an estimate. */
unsigned long long iface_os_memory_available(void);

/*
 * A spinning lock, process context only. No sleeping while it is held, and no
 * second one of its kind taken; an inner lock may be, and is then the last.
 */
struct iface_os_spinlock;
struct iface_os_spinlock *iface_os_lock_create(void);
struct iface_os_spinlock *iface_os_inner_lock_create(void);
void iface_os_lock_destroy(struct iface_os_spinlock *lock);
void iface_os_lock(struct iface_os_spinlock *lock);
void iface_os_unlock(struct iface_os_spinlock *lock);

/*
 * An event one thread waits for. A signal that comes early is kept; several make
 * one. The wait returns 1 for a signal and 0 when the time is up.
 */
struct iface_os_event;
struct iface_os_event *iface_os_event_create(void);
void iface_os_event_destroy(struct iface_os_event *event);
void iface_os_event_signal(struct iface_os_event *event);
int iface_os_event_wait(struct iface_os_event *event, unsigned int milliseconds);

/* A kernel thread; stop waits until the body has returned. */
struct iface_os_thread;
struct iface_os_thread *iface_os_thread_start(int (*body)(void *context),
					      void *context, const char *name);
void iface_os_thread_stop(struct iface_os_thread *thread);
int iface_os_thread_should_stop(void);
/* Lets other threads run if they are waiting for this CPU. */
void iface_os_yield(void);

/* Log lines, the name of the module in front. Not for the I/O path. */
#define IFACE_OS_ERROR 0
#define IFACE_OS_WARNING 1
#define IFACE_OS_INFO 2
void iface_os_log(int level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The module parameters as they were given; strings are never NULL. README.md
 * explains each, iface_config.cc checks them.
 */
struct iface_params {
	const char *target_name;
	const char *init_name;
	const char *portal;
	const char *lun_sizes_mb;
	const char *keys;
	const char *chap;
	const char *chap_initiator_name;
	const char *chap_initiator_secret;
	const char *chap_target_name;
	const char *chap_target_secret;
	const char *vendor;
	const char *product;
	const char *serial;
	unsigned int max_cmd;
	unsigned int phase_kb;
	unsigned int chunk_kb;
	unsigned int block_size;
	unsigned char chap_mutual_required;
	unsigned char acl;
	unsigned char discard_data;
	unsigned char inline_exec;
	unsigned char stuck;
};

/* The C++ part as the module sees it: iface_init.cc. Process context. */
int iface_start(const struct iface_params *params);
/* Takes the target away. Afterwards no hook is called any more. */
void iface_stop(void);
/* Frees everything; iface_set_stuck() must not run meanwhile. */
void iface_free(void);
/* The parameter "stuck" was written; also called before the start. */
void iface_set_stuck(int stuck);

#ifdef __cplusplus
}
#endif

#endif /* IFACE_OS_H */
