/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_TIMER_SHUTDOWN_SYNC: timer_shutdown_sync(): no re-arm possible after it. symbol: timer_shutdown_sync
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/timer.h>

int probe(struct timer_list *t);
int probe(struct timer_list *t)
{
	return timer_shutdown_sync(t);
}
