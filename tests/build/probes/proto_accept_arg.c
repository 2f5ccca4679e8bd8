/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_PROTO_ACCEPT_ARG: proto.accept with struct proto_accept_arg (6.10+).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <net/sock.h>

int probe(struct proto_accept_arg *a);
int probe(struct proto_accept_arg *a)
{
	return a->flags;
}
