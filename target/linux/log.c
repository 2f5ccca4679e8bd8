// SPDX-License-Identifier: GPL-2.0-only
/*
 * Log lines and random numbers of the kernel for the engine: implements include/os/log.h.
 *
 * Called by the engine on any thread and in any context. Debug lines are off until dynamic debug
 * turns them on (file log.c +p). Never sleeps, and never prints a line without the module's name,
 * which is that of whoever has a copy of this file.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/printk.h>
#include <linux/random.h>
#include <linux/ratelimit.h>

#include "os/log.h"

/*
 * Shared by all lines that somebody else can cause: a noisy peer cannot flood the log. What merely
 * informs, as of sessions that come and go, has a larger share, and takes none from what is wrong.
 */
static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 20);
static DEFINE_RATELIMIT_STATE(info_limit, 5 * HZ, 100);

#define DEFAULT_MASK (OS_LOG_BIT_ERROR | OS_LOG_BIT_WARNING | OS_LOG_BIT_INFO)
static u32 selected = DEFAULT_MASK;

void os_select_log(u32 mask)
{
	WRITE_ONCE(selected, mask);
}

static u32 bit_of(int level)
{
	switch (level) {
	case OS_LOG_ERROR:
		return OS_LOG_BIT_ERROR;
	case OS_LOG_WARNING:
		return OS_LOG_BIT_WARNING;
	case OS_LOG_INFO:
		return OS_LOG_BIT_INFO;
	default:
		return OS_LOG_BIT_DEBUG;
	}
}

static void print_line(int level, struct va_format *line)
{
	const bool wanted = READ_ONCE(selected) & bit_of(level);

	if (!wanted && level != OS_LOG_DEBUG)
		return;
	if (wanted && level == OS_LOG_DEBUG) {
		printk(KERN_DEBUG pr_fmt("%pV\n"), line);
		return;
	}
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
	if (!___ratelimit(level == OS_LOG_INFO ? &info_limit : &limit, KBUILD_MODNAME))
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
