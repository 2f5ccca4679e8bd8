/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_SOCKADDR_UNSIZED: kernel_bind() takes struct sockaddr_unsized (6.19+).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/net.h>
#include <linux/in.h>

int probe(struct socket *s, struct sockaddr_unsized *a);
int probe(struct socket *s, struct sockaddr_unsized *a)
{
	return kernel_bind(s, a, sizeof(struct sockaddr_in));
}
