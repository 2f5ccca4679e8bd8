/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_KERNEL_SENDPAGE: kernel_sendpage() (until 6.4). symbol: kernel_sendpage
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/net.h>

int probe(struct socket *s, struct page *p);
int probe(struct socket *s, struct page *p)
{
	return kernel_sendpage(s, p, 0, 1, MSG_DONTWAIT);
}
