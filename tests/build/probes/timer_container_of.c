/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_TIMER_CONTAINER_OF: timer_container_of() (6.16+) instead of from_timer().
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/timer.h>

struct owner {
	struct timer_list timer;
};

struct owner *probe(struct timer_list *t);
struct owner *probe(struct timer_list *t)
{
	struct owner *o = timer_container_of(o, t, timer);

	return o;
}
