// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contexts for tests: a kernel timer runs its function in softirq, a high resolution timer of the
 * hard kind in the timer interrupt. Both functions are called by tests in process context, wait
 * for the end of what they started, and leave nothing behind.
 */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/timer.h>

#include "context.h"

struct softirq_call {
	struct timer_list timer;
	struct completion done;
	void (*body)(void *argument);
	void *argument;
};

static void softirq_call_run(struct timer_list *timer)
{
	struct softirq_call *call = container_of(timer, struct softirq_call, timer);

	call->body(call->argument);
	complete(&call->done);
}

void run_in_softirq(void (*body)(void *argument), void *argument)
{
	struct softirq_call call = { .body = body, .argument = argument };

	init_completion(&call.done);
	timer_setup_on_stack(&call.timer, softirq_call_run, 0);
	mod_timer(&call.timer, jiffies);
	wait_for_completion(&call.done);
	del_timer_sync(&call.timer);
	destroy_timer_on_stack(&call.timer);
}

struct hardirq_call {
	struct hrtimer timer;
	struct completion done;
	void (*body)(void *argument);
	void *argument;
};

static enum hrtimer_restart hardirq_call_run(struct hrtimer *timer)
{
	struct hardirq_call *call = container_of(timer, struct hardirq_call, timer);

	call->body(call->argument);
	complete(&call->done);
	return HRTIMER_NORESTART;
}

void run_in_hardirq(void (*body)(void *argument), void *argument)
{
	struct hardirq_call call = { .body = body, .argument = argument };

	init_completion(&call.done);
	hrtimer_init_on_stack(&call.timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	call.timer.function = hardirq_call_run;
	hrtimer_start(&call.timer, ms_to_ktime(1), HRTIMER_MODE_REL_HARD);
	wait_for_completion(&call.done);
	hrtimer_cancel(&call.timer);
	destroy_hrtimer_on_stack(&call.timer);
}
