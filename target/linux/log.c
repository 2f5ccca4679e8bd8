// SPDX-License-Identifier: GPL-2.0-only
/*
 * Log lines and random numbers of the kernel for the engine: implements include/os/log.h.
 *
 * Called by the engine on any thread and in any context. Debug lines are off until dynamic debug
 * turns them on (file log.c +p). Never sleeps, and never prints a line without the module's name.
 */
#define pr_fmt(fmt) "chiscsi: " fmt

#include <linux/printk.h>
#include <linux/random.h>
#include <linux/ratelimit.h>

#include "os/log.h"

/* Shared by all lines that somebody else can cause: a noisy peer cannot flood the log. */
static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 20);

static void print_line(int level, struct va_format *line)
{
	switch (level) {
	case OS_LOG_ERROR:
		pr_err("%pV\n", line);
		break;
	case OS_LOG_WARNING:
		pr_warn("%pV\n", line);
		break;
	case OS_LOG_INFO:
		pr_info("%pV\n", line);
		break;
	default:
		pr_debug("%pV\n", line);
		break;
	}
}

void os_log(int level, const char *format, ...)
{
	struct va_format line = { .fmt = format };
	va_list arguments;

	va_start(arguments, format);
	line.va = &arguments;
	print_line(level, &line);
	va_end(arguments);
}

void os_log_limited(int level, const char *format, ...)
{
	struct va_format line = { .fmt = format };
	va_list arguments;

	/* Says "chiscsi: N callbacks suppressed" when lines get through again. */
	if (!___ratelimit(&limit, "chiscsi"))
		return;
	va_start(arguments, format);
	line.va = &arguments;
	print_line(level, &line);
	va_end(arguments);
}

void os_random(void *buffer, size_t size)
{
	get_random_bytes(buffer, size);
}

void os_check_failed(const char *condition, const char *file, int line)
{
	pr_crit("check failed: %s (%s:%d)\n", condition, file, line);
}
