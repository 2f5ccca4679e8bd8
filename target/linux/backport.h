/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel interfaces that differ between the kernels we build for.
 *
 * The glue is written against the newest form; this file gives the older kernels that form. Which
 * one a kernel has is found by configure (tests/build/probes), never by its version number.
 * Included by the .c files that use one of the interfaces; contains no logic of its own.
 */
#ifndef CHISCSI_BACKPORT_H
#define CHISCSI_BACKPORT_H

#include <linux/skbuff.h>
#include <linux/socket.h>

/* kernel_bind() took a struct sockaddr before 6.19. */
#ifndef CHISCSI_HAVE_SOCKADDR_UNSIZED
#define sockaddr_unsized sockaddr
#endif

/* The end of a zero-copy send is told through ubuf_info.ops since 6.10, before by one pointer. */
#ifdef CHISCSI_HAVE_UBUF_INFO_OPS
static inline void ubuf_info_set_ops(struct ubuf_info *ubuf, const struct ubuf_info_ops *ops)
{
	ubuf->ops = ops;
}
#else
struct ubuf_info_ops {
	void (*complete)(struct sk_buff *skb, struct ubuf_info *ubuf, bool success);
};

static inline void ubuf_info_set_ops(struct ubuf_info *ubuf, const struct ubuf_info_ops *ops)
{
	ubuf->callback = ops->complete;
}
#endif

/* A message carries its ubuf_info since 6.0. Without it everything is copied. */
static inline void msg_set_ubuf(struct msghdr *message, struct ubuf_info *ubuf)
{
#ifdef CHISCSI_HAVE_MSG_UBUF
	message->msg_ubuf = ubuf;
	message->msg_flags |= MSG_ZEROCOPY;
#endif
}

#endif
