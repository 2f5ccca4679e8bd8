/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the conformance driver needs from the kernel beyond iface_os.h, as plain C:
 * work that runs later and elsewhere, a lock for every context, and the files of
 * debugfs through which it is scripted.
 */
#ifndef CONFORMANCE_OS_H
#define CONFORMANCE_OS_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A spinlock for any context but hard interrupts; interrupts are off while it is held.
 * One of the inner kind may be taken inside one of the outer kind.
 */
struct conf_lock;
#define CONF_LOCK_OUTER 0
#define CONF_LOCK_INNER 1
struct conf_lock *conf_lock_create(int kind);
void conf_lock_destroy(struct conf_lock *lock);
unsigned long conf_lock_take(struct conf_lock *lock);
void conf_lock_drop(struct conf_lock *lock, unsigned long flags);

/* Where a deferred call runs. */
#define CONF_ON_THREAD 0 /* a kernel thread, any CPU */
#define CONF_ON_OTHER_CPU 1 /* a kernel thread, another CPU than the caller's if there is one */
#define CONF_ON_SOFTIRQ 2 /* softirq context */

/*
 * A call that runs once, later. Started again before it ran, it still runs once. Start
 * may come from any context; cancel waits until it is not running and sleeps.
 */
struct conf_deferred;
struct conf_deferred *conf_deferred_create(void (*call)(void *context), void *context);
void conf_deferred_start(struct conf_deferred *deferred, int where, unsigned int milliseconds);
void conf_deferred_cancel(struct conf_deferred *deferred);
void conf_deferred_destroy(struct conf_deferred *deferred);

/* Memory that is contiguous for the CPU only. May sleep. */
void *conf_vmalloc(unsigned long bytes);
void conf_vfree(void *memory);

/* Whether the caller may sleep; a debug kernel complains by itself, too. */
int conf_may_sleep(void);
unsigned long long conf_now_ms(void);
void conf_sleep_ms(unsigned int milliseconds);
/* Writes up to size - 1 characters and a NUL; returns the characters written. */
int conf_print(char *to, unsigned int size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int conf_vprint(char *to, unsigned int size, const char *format, __builtin_va_list *arguments)
	__attribute__((format(printf, 3, 0)));

/* The module parameters. Strings are never NULL. */
struct conf_params {
	const char *target_name;
	const char *portal;
	const char *keys;
	unsigned int size_mb;
	unsigned int multi_phase;
};

/* The C++ part as the module sees it: conformance.cc. Process context. */
int conf_start(const struct conf_params *params);
void conf_stop(void);

/* The files in debugfs that can be read. */
#define CONF_FILE_REPORT 0
#define CONF_FILE_LOG 1
#define CONF_FILE_STATE 2
#define CONF_FILE_SIZE (256 * 1024)
/* Fills a buffer of CONF_FILE_SIZE bytes; returns the length. */
unsigned int conf_read(int file, char *buffer);
/* Takes a script; text ends with a NUL. Returns 0 or a negative error. */
int conf_script(const char *text);

#ifdef __cplusplus
}
#endif

#endif /* CONFORMANCE_OS_H */
