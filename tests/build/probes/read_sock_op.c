/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_READ_SOCK_OP: proto_ops.read_sock with (sock, descriptor, actor).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/net.h>
#include <net/sock.h>

int probe(struct socket *s, read_descriptor_t *d, sk_read_actor_t a);
int probe(struct socket *s, read_descriptor_t *d, sk_read_actor_t a)
{
	return s->ops->read_sock(s->sk, d, a);
}
