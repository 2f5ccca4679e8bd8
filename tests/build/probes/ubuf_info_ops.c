/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_UBUF_INFO_OPS: ubuf_info.ops with complete() (6.10+), not a bare callback.
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/skbuff.h>

const void *probe(struct ubuf_info *u);
const void *probe(struct ubuf_info *u)
{
	return u->ops->complete;
}
