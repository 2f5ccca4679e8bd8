// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads, events, locks and time of the kernel for the engine: implements include/os/thread.h.
 *
 * Called by the engine on any thread; os_event_signal(), the spin lock and os_now_ms() in any
 * context. Waiting threads are idle to the scheduler: they neither raise the load average nor trip
 * the hung-task detector. A thread of ours never starts I/O to get memory. Nothing here wakes up
 * by itself without somebody having asked for it.
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/topology.h>
#include <uapi/linux/sched/types.h>

#include "os/thread.h"

#define JOIN_REPORT_INTERVAL (30 * HZ)

static bool batch;

module_param(batch, bool, 0444);
MODULE_PARM_DESC(batch, "workers wait for whoever runs to sleep or to use up its time (N)");

unsigned int os_cpu_count(void)
{
	return nr_cpu_ids;
}

int os_cpu_online(unsigned int cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

unsigned int os_current_cpu(void)
{
	return raw_smp_processor_id();
}

/**
 * struct os_thread - a kernel thread and the reference on it.
 * @task: referenced until os_thread_join()
 * @body: what it runs
 * @argument: of @body
 * @batch: it does not take its processor away from whoever woke it
 * @done: @body has returned; what follows needs no memory of the caller
 */
struct os_thread {
	struct task_struct *task;
	void (*body)(void *argument);
	void *argument;
	bool batch;
	struct completion done;
};

static void become_batch(void)
{
	static const struct sched_attr attr = { .size = sizeof(attr),
						.sched_policy = SCHED_BATCH };
	int err = sched_setattr_nocheck(current, &attr);

	if (err)
		pr_warn(KBUILD_MODNAME ": %s: no SCHED_BATCH: %d\n", current->comm, err);
}

static int thread_run(void *data)
{
	struct os_thread *thread = data;
	unsigned int noio = memalloc_noio_save();

	if (thread->batch)
		become_batch();
	thread->body(thread->argument);
	memalloc_noio_restore(noio);
	complete(&thread->done);
	return 0;
}

struct os_thread *os_thread_start(void (*body)(void *argument), void *argument, const char *name,
				  int cpu)
{
	bool bound = cpu >= 0 && os_cpu_online(cpu);
	struct os_thread *thread = kzalloc(sizeof(*thread), GFP_NOIO);
	struct task_struct *task;

	if (!thread)
		return NULL;
	thread->body = body;
	thread->argument = argument;
	thread->batch = batch && cpu >= 0;
	init_completion(&thread->done);
	task = kthread_create_on_node(thread_run, thread, bound ? cpu_to_node(cpu) : NUMA_NO_NODE,
				      "%s", name);
	if (IS_ERR(task)) {
		kfree(thread);
		return NULL;
	}
	if (bound)
		kthread_bind(task, cpu);
	thread->task = get_task_struct(task);
	wake_up_process(task);
	return thread;
}

/*
 * kthread_stop() alone would keep a thread that has not run yet from ever running its body, so the
 * body's end comes first. After that it only waits until the task has left the code of this module.
 */
void os_thread_join(struct os_thread *thread)
{
	while (!wait_for_completion_timeout(&thread->done, JOIN_REPORT_INTERVAL))
		pr_warn(KBUILD_MODNAME ": still waiting for thread %s to end\n", thread->task->comm);
	kthread_stop(thread->task);
	put_task_struct(thread->task);
	kfree(thread);
}

int os_thread_is_current(const struct os_thread *thread)
{
	return thread->task == current;
}

/**
 * struct os_event - a flag and the one who waits for it.
 * @lock: guards @waiter, and every change of @signalled
 * @signalled: set until a waiter takes it
 * @waiter: who sleeps, or NULL
 *
 * A waiter leaves only after it has held @lock, and a signaller touches nothing after it has
 * dropped it: the event may be destroyed as soon as its last signal has been taken.
 */
struct os_event {
	raw_spinlock_t lock;
	bool signalled;
	struct task_struct *waiter;
};

struct os_event *os_event_create(void)
{
	struct os_event *event = kzalloc(sizeof(*event), GFP_NOIO);

	if (event)
		raw_spin_lock_init(&event->lock);
	return event;
}

void os_event_destroy(struct os_event *event)
{
	kfree(event);
}

void os_event_signal(struct os_event *event)
{
	unsigned long flags;

	/* Pairs with the barrier in take_signal(): who skips here has told the waiter all. */
	smp_mb();
	if (READ_ONCE(event->signalled))
		return;
	raw_spin_lock_irqsave(&event->lock, flags);
	WRITE_ONCE(event->signalled, true);
	if (event->waiter)
		wake_up_process(event->waiter);
	raw_spin_unlock_irqrestore(&event->lock, flags);
}

/* Takes the signal, or with @sleep prepares to sleep until there is one. */
static bool take_signal(struct os_event *event, bool sleep)
{
	bool taken;

	raw_spin_lock_irq(&event->lock);
	taken = event->signalled;
	if (taken)
		WRITE_ONCE(event->signalled, false);
	event->waiter = !taken && sleep ? current : NULL;
	if (event->waiter)
		set_current_state(TASK_IDLE);
	raw_spin_unlock_irq(&event->lock);
	/* What was told before the signal, or before one that was skipped, is seen after this. */
	smp_mb();
	return taken;
}

int os_event_wait(struct os_event *event, u32 timeout_ms)
{
	long left = msecs_to_jiffies(timeout_ms);

	while (!take_signal(event, left > 0)) {
		if (left <= 0)
			return 0;
		left = schedule_timeout(left);
	}
	return 1;
}

/* The kernel's mutex, and what makes each one a lock class of its own: lockdep sees their order. */
struct os_mutex {
	struct mutex mutex; /* What the user locks. */
#ifdef CONFIG_LOCKDEP
	struct lock_class_key key;
#endif
};

#ifdef CONFIG_LOCKDEP
static void mutex_start(struct os_mutex *mutex)
{
	lockdep_register_key(&mutex->key);
	__mutex_init(&mutex->mutex, "os_mutex", &mutex->key);
}

static void mutex_end(struct os_mutex *mutex)
{
	lockdep_unregister_key(&mutex->key);
}
#else
static void mutex_start(struct os_mutex *mutex)
{
	mutex_init(&mutex->mutex);
}

static void mutex_end(struct os_mutex *mutex)
{
}
#endif

struct os_mutex *os_mutex_create(void)
{
	struct os_mutex *mutex = kzalloc(sizeof(*mutex), GFP_NOIO);

	if (mutex)
		mutex_start(mutex);
	return mutex;
}

void os_mutex_destroy(struct os_mutex *mutex)
{
	if (!mutex)
		return;
	mutex_destroy(&mutex->mutex);
	mutex_end(mutex);
	kfree(mutex);
}

void os_mutex_lock(struct os_mutex *mutex)
{
	mutex_lock(&mutex->mutex);
}

void os_mutex_unlock(struct os_mutex *mutex)
{
	mutex_unlock(&mutex->mutex);
}

/*
 * Raw, since it is taken in hard interrupts too. A lock class of its own as above, since some nest:
 * a connection's in that of the table which it is found in.
 */
struct os_spinlock {
	raw_spinlock_t lock;
#ifdef CONFIG_LOCKDEP
	struct lock_class_key key;
#endif
};

#ifdef CONFIG_LOCKDEP
static void spinlock_start(struct os_spinlock *lock)
{
	raw_spin_lock_init(&lock->lock);
	lockdep_register_key(&lock->key);
	lockdep_set_class_and_name(&lock->lock, &lock->key, "os_spinlock");
}

static void spinlock_end(struct os_spinlock *lock)
{
	lockdep_unregister_key(&lock->key);
}
#else
static void spinlock_start(struct os_spinlock *lock)
{
	raw_spin_lock_init(&lock->lock);
}

static void spinlock_end(struct os_spinlock *lock)
{
}
#endif

struct os_spinlock *os_spinlock_create(void)
{
	struct os_spinlock *lock = kzalloc(sizeof(*lock), GFP_NOIO);

	if (lock)
		spinlock_start(lock);
	return lock;
}

void os_spinlock_destroy(struct os_spinlock *lock)
{
	if (!lock)
		return;
	spinlock_end(lock);
	kfree(lock);
}

unsigned long os_spinlock_lock(struct os_spinlock *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock->lock, flags);
	return flags;
}

void os_spinlock_unlock(struct os_spinlock *lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(&lock->lock, flags);
}

/* One tick is fine enough for limits, and some clocks are slow to read. */
u64 os_now_ms(void)
{
	return ktime_get_coarse_ns() / NSEC_PER_MSEC;
}

u64 os_now_us(void)
{
	return ktime_get_ns() / NSEC_PER_USEC;
}

void os_softirq_begin(void)
{
	local_bh_disable();
}

void os_softirq_end(void)
{
	local_bh_enable();
}

void os_relax(void)
{
	cond_resched();
}

int os_spin(void)
{
	cpu_relax();
	return !need_resched();
}
