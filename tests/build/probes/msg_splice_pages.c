/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_MSG_SPLICE_PAGES: TCP's sendmsg() takes pages by reference (6.5+).
 *
 * The flag alone proves nothing: stable kernels before 6.5 define it, for UDP fixes,
 * while their tcp_sendmsg() ignores it and would copy. The helper that TCP needs for
 * it decides; its arguments changed later, hence the address only.
 * symbol: skb_splice_from_iter
 */
#include <linux/socket.h>
#include <linux/skbuff.h>

const void *probe(int *flags);
const void *probe(int *flags)
{
	*flags = MSG_SPLICE_PAGES;
	return skb_splice_from_iter;
}
