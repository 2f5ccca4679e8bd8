/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads, events, locks and time of the host. See os/memory.h for what this contract is.
 *
 * Every wait has a limit in milliseconds. Objects are created in process context and destroyed
 * there, when nobody uses them any more.
 */
#ifndef CHISCSI_OS_THREAD_H
#define CHISCSI_OS_THREAD_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct os_thread;
struct os_event;
struct os_mutex;
struct os_spinlock;

#define OS_ANY_CPU (-1)

/** os_cpu_count() - the number of possible CPU ids; ids that are not online are skipped. */
unsigned int os_cpu_count(void);
/** os_cpu_online() - 1 when @cpu may run a thread. */
int os_cpu_online(unsigned int cpu);
/** os_current_cpu() - the CPU this code runs on right now; a hint. Context: any. */
unsigned int os_current_cpu(void);

/**
 * os_thread_start() - runs @body(@argument) in a new thread.
 * @name: at most 15 characters are shown by the host's tools
 * @cpu: the CPU it stays on, or OS_ANY_CPU
 *
 * Return: the thread, or NULL. Context: process. The caller ends @body by a means of its own and
 * then calls os_thread_join().
 */
struct os_thread *os_thread_start(void (*body)(void *argument), void *argument, const char *name,
				  int cpu);
/** os_thread_join() - waits until the thread's body has returned, and frees it. Context: process. */
void os_thread_join(struct os_thread *thread);
/** os_thread_is_current() - 1 when the caller runs in @thread. Context: any. */
int os_thread_is_current(const struct os_thread *thread);

/** os_event_create() - an event that starts unsignalled; NULL without memory. */
struct os_event *os_event_create(void);
void os_event_destroy(struct os_event *event);
/** os_event_signal() - releases the waiter, now or at its next wait. Context: any. */
void os_event_signal(struct os_event *event);
/**
 * os_event_wait() - waits until signalled, and takes the signal.
 * @timeout_ms: the limit
 * Return: 1 when signalled, 0 when the time ran out. One waiter at a time. Context: process.
 */
int os_event_wait(struct os_event *event, uint32_t timeout_ms);

/** A lock that sleeps. Context of all: process. */
struct os_mutex *os_mutex_create(void);
void os_mutex_destroy(struct os_mutex *mutex);
void os_mutex_lock(struct os_mutex *mutex);
void os_mutex_unlock(struct os_mutex *mutex);

/** A lock for a few instructions. lock/unlock may be called in any context; interrupts are off. */
struct os_spinlock *os_spinlock_create(void);
void os_spinlock_destroy(struct os_spinlock *lock);
unsigned long os_spinlock_lock(struct os_spinlock *lock);
void os_spinlock_unlock(struct os_spinlock *lock, unsigned long flags);

/** os_now_ms() - milliseconds of a clock that never goes back. Context: any. */
uint64_t os_now_ms(void);

/** os_now_us() - microseconds of a clock that never goes back, for measuring. Context: any. */
uint64_t os_now_us(void);

/**
 * os_softirq_begin() - the caller is in softirq context until os_softirq_end(): it must not sleep.
 * For code that stands in for a device. Context: process; does not nest.
 */
void os_softirq_begin(void);
void os_softirq_end(void);

/** os_relax() - lets other threads run; for long loops in process context. */
void os_relax(void);
/** os_spin() - one round of a loop that waits awake. Return: 0 when another thread wants the CPU. */
int os_spin(void);

#ifdef __cplusplus
}
#endif
#endif
