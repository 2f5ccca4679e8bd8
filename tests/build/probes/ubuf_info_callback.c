/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_UBUF_INFO_CALLBACK: ubuf_info.callback with the skb argument (5.12 to 6.9).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/skbuff.h>

static void done(struct sk_buff *skb, struct ubuf_info *u, bool success)
{
}

void probe(struct ubuf_info *u);
void probe(struct ubuf_info *u)
{
	u->callback = done;
}
