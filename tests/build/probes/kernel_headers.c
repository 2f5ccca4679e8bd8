/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_KERNEL_HEADERS: the headers compile at all (configure stops if not).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <net/sock.h>
#include <net/tcp.h>

int probe(struct sock *sk);
int probe(struct sock *sk)
{
	return sk->sk_state == TCP_ESTABLISHED;
}
