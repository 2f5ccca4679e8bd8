// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of include/os/thread.h on Linux: threads, events, locks and the clock. Times are only
 * compared with generous limits, because the machine may be busy; what must never happen (a lost
 * signal, a join before the end) is counted exactly.
 */
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/limits.h>
#include <linux/sched.h>

#include "os/thread.h"
#include "context.h"
#include "suites.h"

#define FAR_MS 60000u

/* --- threads ------------------------------------------------------------------------------ */

struct thread_report {
	struct os_thread *thread;
	struct os_event *started;
	char name[TASK_COMM_LEN];
	int runs;
	int knows_itself;
	int cpu;
	int may_move;
};

static void report_thread(void *argument)
{
	struct thread_report *report = argument;

	os_event_wait(report->started, FAR_MS);
	get_task_comm(report->name, current);
	report->knows_itself = os_thread_is_current(report->thread);
	report->cpu = os_current_cpu();
	report->may_move = !cpumask_equal(current->cpus_ptr, cpumask_of(report->cpu)) ||
			   nr_cpu_ids == 1;
	report->runs++;
}

static void run_report(struct kunit *test, struct thread_report *report, int cpu)
{
	report->started = os_event_create();
	KUNIT_ASSERT_NOT_NULL(test, report->started);
	report->thread = os_thread_start(report_thread, report, "chiscsi_kunit", cpu);
	KUNIT_ASSERT_NOT_NULL(test, report->thread);
	KUNIT_EXPECT_EQ(test, os_thread_is_current(report->thread), 0);
	os_event_signal(report->started);
	os_thread_join(report->thread);
	os_event_destroy(report->started);
}

static void thread_runs_once_under_its_name(struct kunit *test)
{
	struct thread_report report = {};

	run_report(test, &report, OS_ANY_CPU);
	KUNIT_EXPECT_EQ(test, report.runs, 1);
	KUNIT_EXPECT_EQ(test, report.knows_itself, 1);
	KUNIT_EXPECT_EQ(test, report.may_move, 1);
	KUNIT_EXPECT_STREQ(test, report.name, "chiscsi_kunit");
}

static void thread_stays_on_its_cpu(struct kunit *test)
{
	unsigned int cpu;

	for (cpu = 0; cpu < os_cpu_count(); cpu++) {
		struct thread_report report = {};

		if (!os_cpu_online(cpu))
			continue;
		run_report(test, &report, cpu);
		KUNIT_EXPECT_EQ(test, report.runs, 1);
		KUNIT_EXPECT_EQ(test, report.cpu, (int)cpu);
	}
}

static void cpus_are_counted(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, os_cpu_count(), nr_cpu_ids);
	KUNIT_EXPECT_EQ(test, os_cpu_online(0), 1);
	KUNIT_EXPECT_EQ(test, os_cpu_online(os_cpu_count()), 0);
	KUNIT_EXPECT_EQ(test, os_cpu_online(UINT_MAX), 0);
	KUNIT_EXPECT_LT(test, os_current_cpu(), os_cpu_count());
}

static void sleep_and_count(void *argument)
{
	msleep(30);
	(*(int *)argument)++;
}

static void join_waits_for_the_end(struct kunit *test)
{
	int runs = 0;
	struct os_thread *thread = os_thread_start(sleep_and_count, &runs, "kunit", OS_ANY_CPU);

	KUNIT_ASSERT_NOT_NULL(test, thread);
	os_thread_join(thread);
	KUNIT_EXPECT_EQ(test, runs, 1);
}

static void count(void *argument)
{
	(*(int *)argument)++;
}

static void join_may_come_late(struct kunit *test)
{
	int runs = 0;
	struct os_thread *thread = os_thread_start(count, &runs, "kunit", OS_ANY_CPU);

	KUNIT_ASSERT_NOT_NULL(test, thread);
	msleep(30);
	KUNIT_EXPECT_EQ(test, runs, 1);
	os_thread_join(thread);
}

static void many_threads_start_and_end(struct kunit *test)
{
	struct os_thread *threads[32];
	int runs[32] = {};
	size_t i, round;

	for (round = 0; round < 10; round++) {
		for (i = 0; i < ARRAY_SIZE(threads); i++) {
			threads[i] = os_thread_start(count, &runs[i], "kunit", OS_ANY_CPU);
			KUNIT_ASSERT_NOT_NULL(test, threads[i]);
		}
		for (i = 0; i < ARRAY_SIZE(threads); i++)
			os_thread_join(threads[i]);
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		KUNIT_EXPECT_EQ(test, runs[i], 10);
}

static void a_long_thread_name_is_cut(struct kunit *test)
{
	int runs = 0;
	struct os_thread *thread = os_thread_start(count, &runs,
						   "a name that is far longer than any tool %s shows",
						   OS_ANY_CPU);

	KUNIT_ASSERT_NOT_NULL(test, thread);
	os_thread_join(thread);
	KUNIT_EXPECT_EQ(test, runs, 1);
}

/* --- events ------------------------------------------------------------------------------- */

static void signal_before_wait_is_kept(struct kunit *test)
{
	struct os_event *event = os_event_create();

	KUNIT_ASSERT_NOT_NULL(test, event);
	KUNIT_EXPECT_EQ(test, os_event_wait(event, 0), 0);
	os_event_signal(event);
	KUNIT_EXPECT_EQ(test, os_event_wait(event, 0), 1);
	KUNIT_EXPECT_EQ(test, os_event_wait(event, 0), 0);
	os_event_signal(event);
	KUNIT_EXPECT_EQ(test, os_event_wait(event, FAR_MS), 1);
	os_event_destroy(event);
}

static void wait_ends_at_its_limit(struct kunit *test)
{
	struct os_event *event = os_event_create();
	u64 before, took;

	KUNIT_ASSERT_NOT_NULL(test, event);
	before = os_now_ms();
	KUNIT_EXPECT_EQ(test, os_event_wait(event, 50), 0);
	took = os_now_ms() - before;
	KUNIT_EXPECT_GE(test, took, 40ull);
	KUNIT_EXPECT_LT(test, took, 10000ull);
	os_event_destroy(event);
}

static void signal_event(void *argument)
{
	os_event_signal(argument);
}

static void sleep_and_signal(void *argument)
{
	msleep(20);
	os_event_signal(argument);
}

static void wait_ends_when_signalled(struct kunit *test)
{
	static const u32 limits[] = { FAR_MS, INT_MAX, (u32)INT_MAX + 1, UINT_MAX };
	struct os_event *event = os_event_create();
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, event);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		struct os_thread *thread = os_thread_start(sleep_and_signal, event, "kunit",
							   OS_ANY_CPU);

		KUNIT_ASSERT_NOT_NULL(test, thread);
		KUNIT_EXPECT_EQ_MSG(test, os_event_wait(event, limits[i]), 1, "limit %u ms",
				    limits[i]);
		os_thread_join(thread);
	}
	os_event_destroy(event);
}

static void signal_works_in_any_context(struct kunit *test)
{
	struct os_event *event = os_event_create();
	struct os_spinlock *lock = os_spinlock_create();
	unsigned long flags;

	KUNIT_ASSERT_TRUE(test, event && lock);
	run_in_softirq(signal_event, event);
	KUNIT_EXPECT_EQ(test, os_event_wait(event, 0), 1);
	run_in_hardirq(signal_event, event);
	KUNIT_EXPECT_EQ(test, os_event_wait(event, 0), 1);
	flags = os_spinlock_lock(lock);
	os_event_signal(event);
	os_spinlock_unlock(lock, flags);
	KUNIT_EXPECT_EQ(test, os_event_wait(event, 0), 1);
	os_spinlock_destroy(lock);
	os_event_destroy(event);
}

#define ROUNDS 2000

struct ping_pong {
	struct os_event *ping;
	struct os_event *pong;
	int answered;
};

static void answer(void *argument)
{
	struct ping_pong *game = argument;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		if (!os_event_wait(game->ping, FAR_MS))
			break;
		game->answered++;
		os_event_signal(game->pong);
	}
}

static void no_signal_gets_lost_between_threads(struct kunit *test)
{
	struct ping_pong game = { .ping = os_event_create(), .pong = os_event_create() };
	struct os_thread *thread;
	int round;

	KUNIT_ASSERT_TRUE(test, game.ping && game.pong);
	thread = os_thread_start(answer, &game, "kunit", OS_ANY_CPU);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	for (round = 0; round < ROUNDS; round++) {
		os_event_signal(game.ping);
		if (!os_event_wait(game.pong, FAR_MS))
			break;
	}
	os_thread_join(thread);
	KUNIT_EXPECT_EQ(test, round, ROUNDS);
	KUNIT_EXPECT_EQ(test, game.answered, ROUNDS);
	os_event_destroy(game.ping);
	os_event_destroy(game.pong);
}

/* The waiter may destroy an event as soon as it has been woken by it. */
static void an_event_may_go_right_after_its_signal(struct kunit *test)
{
	int round;

	for (round = 0; round < 200; round++) {
		struct os_event *event = os_event_create();
		struct os_thread *thread;

		KUNIT_ASSERT_NOT_NULL(test, event);
		thread = os_thread_start(signal_event, event, "kunit", OS_ANY_CPU);
		KUNIT_ASSERT_NOT_NULL(test, thread);
		KUNIT_EXPECT_EQ(test, os_event_wait(event, FAR_MS), 1);
		os_thread_join(thread);
		os_event_destroy(event);
	}
}

/* --- locks -------------------------------------------------------------------------------- */

#define WORKERS 4
#define TURNS 500

struct shared_counter {
	struct os_mutex *mutex;
	struct os_spinlock *spinlock;
	int by_mutex;
	int by_spinlock;
};

static void add_under_locks(void *argument)
{
	struct shared_counter *counter = argument;
	int turn;

	for (turn = 0; turn < TURNS; turn++) {
		unsigned long flags;
		int seen;

		os_mutex_lock(counter->mutex);
		seen = READ_ONCE(counter->by_mutex);
		os_relax();
		WRITE_ONCE(counter->by_mutex, seen + 1);
		os_mutex_unlock(counter->mutex);

		flags = os_spinlock_lock(counter->spinlock);
		counter->by_spinlock++;
		os_spinlock_unlock(counter->spinlock, flags);
	}
}

static void locks_exclude(struct kunit *test)
{
	struct shared_counter counter = {
		.mutex = os_mutex_create(),
		.spinlock = os_spinlock_create(),
	};
	struct os_thread *threads[WORKERS];
	size_t i;

	KUNIT_ASSERT_TRUE(test, counter.mutex && counter.spinlock);
	for (i = 0; i < WORKERS; i++) {
		threads[i] = os_thread_start(add_under_locks, &counter, "kunit", OS_ANY_CPU);
		KUNIT_ASSERT_NOT_NULL(test, threads[i]);
	}
	for (i = 0; i < WORKERS; i++)
		os_thread_join(threads[i]);
	KUNIT_EXPECT_EQ(test, counter.by_mutex, WORKERS * TURNS);
	KUNIT_EXPECT_EQ(test, counter.by_spinlock, WORKERS * TURNS);
	os_mutex_destroy(counter.mutex);
	os_spinlock_destroy(counter.spinlock);
}

static void spinlock_restores_the_interrupt_state(struct kunit *test)
{
	struct os_spinlock *lock = os_spinlock_create();
	unsigned long flags, outer;
	int on_inside, on_after, on_after_nested;

	KUNIT_ASSERT_NOT_NULL(test, lock);
	flags = os_spinlock_lock(lock);
	on_inside = !irqs_disabled();
	os_spinlock_unlock(lock, flags);
	on_after = !irqs_disabled();

	local_irq_save(outer);
	flags = os_spinlock_lock(lock);
	os_spinlock_unlock(lock, flags);
	on_after_nested = !irqs_disabled();
	local_irq_restore(outer);

	KUNIT_EXPECT_EQ(test, on_inside, 0);
	KUNIT_EXPECT_EQ(test, on_after, 1);
	KUNIT_EXPECT_EQ(test, on_after_nested, 0);
	os_spinlock_destroy(lock);
}

static void take_spinlock(void *argument)
{
	os_spinlock_unlock(argument, os_spinlock_lock(argument));
}

static void spinlock_works_in_any_context(struct kunit *test)
{
	struct os_spinlock *lock = os_spinlock_create();

	KUNIT_ASSERT_NOT_NULL(test, lock);
	take_spinlock(lock);
	run_in_softirq(take_spinlock, lock);
	run_in_hardirq(take_spinlock, lock);
	os_spinlock_destroy(lock);
}

/* --- time --------------------------------------------------------------------------------- */

static void clock_goes_forward_in_milliseconds(struct kunit *test)
{
	u64 before = os_now_ms(), last = before, now, took;
	ktime_t start = ktime_get();
	int i;

	for (i = 0; i < 1000; i++) {
		now = os_now_ms();
		KUNIT_ASSERT_GE(test, now, last);
		last = now;
	}
	msleep(100);
	now = os_now_ms();
	took = ktime_ms_delta(ktime_get(), start);
	KUNIT_EXPECT_GE(test, now - before, 90ull);
	KUNIT_EXPECT_LE(test, now - before, took + 20);
}

static void read_clock(void *argument)
{
	*(u64 *)argument = os_now_ms();
	os_current_cpu();
}

static void clock_can_be_read_in_any_context(struct kunit *test)
{
	u64 soft = 0, hard = 0, before = os_now_ms();

	run_in_softirq(read_clock, &soft);
	run_in_hardirq(read_clock, &hard);
	KUNIT_EXPECT_GE(test, soft, before);
	KUNIT_EXPECT_GE(test, hard, soft);
}

static struct kunit_case thread_cases[] = {
	KUNIT_CASE(thread_runs_once_under_its_name),
	KUNIT_CASE(thread_stays_on_its_cpu),
	KUNIT_CASE(cpus_are_counted),
	KUNIT_CASE(join_waits_for_the_end),
	KUNIT_CASE(join_may_come_late),
	KUNIT_CASE(many_threads_start_and_end),
	KUNIT_CASE(a_long_thread_name_is_cut),
	KUNIT_CASE(signal_before_wait_is_kept),
	KUNIT_CASE(wait_ends_at_its_limit),
	KUNIT_CASE(wait_ends_when_signalled),
	KUNIT_CASE(signal_works_in_any_context),
	KUNIT_CASE(no_signal_gets_lost_between_threads),
	KUNIT_CASE(an_event_may_go_right_after_its_signal),
	KUNIT_CASE(locks_exclude),
	KUNIT_CASE(spinlock_restores_the_interrupt_state),
	KUNIT_CASE(spinlock_works_in_any_context),
	KUNIT_CASE(clock_goes_forward_in_milliseconds),
	KUNIT_CASE(clock_can_be_read_in_any_context),
	{}
};

struct kunit_suite thread_suite = {
	.name = "os_thread",
	.test_cases = thread_cases,
};
