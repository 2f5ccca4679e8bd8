/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_SK_USE_TASK_FRAG: sock.sk_use_task_frag: sockets used under memory reclaim clear it.
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <net/sock.h>

void probe(struct sock *sk);
void probe(struct sock *sk)
{
	sk->sk_use_task_frag = false;
}
