/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_MSG_UBUF: zero-copy completion by msghdr.msg_ubuf (6.0+).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/socket.h>
#include <linux/skbuff.h>

void probe(struct msghdr *m, struct ubuf_info *u);
void probe(struct msghdr *m, struct ubuf_info *u)
{
	m->msg_ubuf = u;
}
