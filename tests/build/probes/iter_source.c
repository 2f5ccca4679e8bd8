/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_ITER_SOURCE: ITER_SOURCE and ITER_DEST name the direction of an iov_iter.
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/uio.h>

void probe(struct iov_iter *i, struct kvec *v);
void probe(struct iov_iter *i, struct kvec *v)
{
	iov_iter_kvec(i, ITER_SOURCE, v, 1, 1);
	iov_iter_kvec(i, ITER_DEST, v, 1, 1);
}
