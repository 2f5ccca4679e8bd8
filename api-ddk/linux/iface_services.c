// SPDX-License-Identifier: GPL-2.0-only
/*
 * The few services of the kernel that iface_os.h promises to the C++ part of a driver:
 * memory, locks, events, threads, log lines. Part of ifacedriver and of the conformance
 * driver; no logic of either lives here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "iface_os.h"

/* Memory */

void *iface_os_alloc(unsigned long bytes)
{
	unsigned int scope = memalloc_noio_save();
	void *memory = kvzalloc(bytes, GFP_KERNEL);

	memalloc_noio_restore(scope);
	return memory;
}

void iface_os_free(void *memory)
{
	kvfree(memory);
}

void *iface_os_pages_alloc(unsigned int order, unsigned char **address)
{
	struct page *page;

	page = alloc_pages(GFP_NOIO | __GFP_ZERO | __GFP_COMP | __GFP_NOWARN |
			   __GFP_RETRY_MAYFAIL, order);
	if (!page)
		return NULL;
	*address = page_address(page);
	return page;
}

void iface_os_pages_free(void *page, unsigned int order)
{
	__free_pages(page, order);
}

unsigned int iface_os_page_shift(void)
{
	return PAGE_SHIFT;
}

unsigned long long iface_os_memory_available(void)
{
	long pages = si_mem_available();

	return pages > 0 ? (unsigned long long)pages << PAGE_SHIFT : 0;
}

/* Lock */

struct iface_os_spinlock {
	spinlock_t spinlock;
};

struct iface_os_spinlock *iface_os_lock_create(void)
{
	struct iface_os_spinlock *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	if (lock)
		spin_lock_init(&lock->spinlock);
	return lock;
}

/* To lockdep, locks that are initialised at one place are of one kind. */
struct iface_os_spinlock *iface_os_inner_lock_create(void)
{
	struct iface_os_spinlock *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	if (lock)
		spin_lock_init(&lock->spinlock);
	return lock;
}

void iface_os_lock_destroy(struct iface_os_spinlock *lock)
{
	kfree(lock);
}

void iface_os_lock(struct iface_os_spinlock *lock)
{
	spin_lock(&lock->spinlock);
}

void iface_os_unlock(struct iface_os_spinlock *lock)
{
	spin_unlock(&lock->spinlock);
}

/* Event */

struct iface_os_event {
	wait_queue_head_t waiters;
	int signalled;
};

struct iface_os_event *iface_os_event_create(void)
{
	struct iface_os_event *event = kzalloc(sizeof(*event), GFP_KERNEL);

	if (event)
		init_waitqueue_head(&event->waiters);
	return event;
}

void iface_os_event_destroy(struct iface_os_event *event)
{
	kfree(event);
}

void iface_os_event_signal(struct iface_os_event *event)
{
	WRITE_ONCE(event->signalled, 1);
	wake_up(&event->waiters);
}

int iface_os_event_wait(struct iface_os_event *event, unsigned int milliseconds)
{
	wait_event_idle_timeout(event->waiters, READ_ONCE(event->signalled) ||
				(current->flags & PF_KTHREAD && kthread_should_stop()),
				msecs_to_jiffies(milliseconds));
	return xchg(&event->signalled, 0);
}

/* Thread: the opaque type is the kernel's task. */

struct iface_os_thread *iface_os_thread_start(int (*body)(void *context),
					      void *context, const char *name)
{
	struct task_struct *task = kthread_run(body, context, "%s", name);

	return IS_ERR(task) ? NULL : (struct iface_os_thread *)task;
}

void iface_os_thread_stop(struct iface_os_thread *thread)
{
	kthread_stop((struct task_struct *)thread);
}

int iface_os_thread_should_stop(void)
{
	return kthread_should_stop();
}

void iface_os_yield(void)
{
	cond_resched();
}

/* Log */

void iface_os_log(int level, const char *format, ...)
{
	struct va_format line;
	va_list arguments;

	va_start(arguments, format);
	line.fmt = format;
	line.va = &arguments;
	if (level == IFACE_OS_ERROR)
		pr_err("%pV\n", &line);
	else if (level == IFACE_OS_WARNING)
		pr_warn("%pV\n", &line);
	else
		pr_info("%pV\n", &line);
	va_end(arguments);
}
