/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_GET_RANDOM_U32_BELOW: get_random_u32_below() (6.2+) instead of prandom_u32_max().
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/random.h>

u32 probe(void);
u32 probe(void)
{
	return get_random_u32_below(7);
}
