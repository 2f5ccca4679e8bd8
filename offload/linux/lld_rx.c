// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages from the adapter: what cxgb4 hands over in softirq becomes struct lld_ingress.
 *
 * A message is in the response itself or in pages of the free list. All of those pages but the last
 * are ours with the call; the last may be shared with the next message, so we take a reference. With
 * another answer than 0 cxgb4 keeps all of them and offers the message again. Nothing here looks
 * behind a message's first byte, and nothing sleeps or allocates.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/printk.h>

#include "offload/linux/lld_cxgb4.h"
#include "t4_hw.h"
#include "t4_msg.h"

static struct sge_rspq *queue_of(struct t4_lro_mgr *lro_mgr)
{
	return container_of(lro_mgr, struct sge_rspq, lro_mgr);
}

/* Its number among our ingress queues of the adapter. */
static u32 index_of(struct sge_rspq *queue)
{
	const struct sge_uld_rxq_info *all = queue->adap->sge.uld_rxq_info[queue->uld];

	return container_of(queue, struct sge_ofld_rxq, rspq) - all->uldrxq;
}

/* Bytes of a message in the response: what is left of it up to the control part at its end. */
static u32 inline_size(const struct sge_rspq *queue, const __be64 *message)
{
	const u8 *end = (const u8 *)queue->cur_desc + queue->iqe_len - sizeof(struct rsp_ctrl);

	return end - (const u8 *)message;
}

static void drop_pages(const struct pkt_gl *gl)
{
	unsigned int i;

	for (i = 0; i + 1 < gl->nfrags; i++)
		put_page(gl->frags[i].page);
}

static int receive_pages(void *client, const struct pkt_gl *gl, struct lld_ingress *message)
{
	struct os_fragment fragments[MAX_SKB_FRAGS];
	struct page *last = gl->frags[gl->nfrags - 1].page;
	unsigned int i;
	int err;

	for (i = 0; i < gl->nfrags; i++) {
		fragments[i].page = gl->frags[i].page;
		fragments[i].address = NULL;
		fragments[i].offset = gl->frags[i].offset;
		fragments[i].length = gl->frags[i].size;
	}
	message->fragments = fragments;
	message->fragment_count = gl->nfrags;
	get_page(last);
	err = lld_client->cpl_in(client, message);
	if (err)
		put_page(last);
	return err;
}

int lld_receive(void *handle, const __be64 *rsp, const struct pkt_gl *gl,
		struct t4_lro_mgr *lro_mgr, struct napi_struct *napi)
{
	struct lld_device *dev = handle;
	void *client = dev ? READ_ONCE(dev->handle) : NULL;
	struct sge_rspq *queue = queue_of(lro_mgr);
	struct lld_ingress message = { .queue = index_of(queue) };
	const u8 opcode = *(const u8 *)rsp;

	if (gl == CXGB4_MSG_AN)
		return 0;
	if (!gl) {
		message.bytes = (const u8 *)(rsp + 1);
		message.size = inline_size(queue, rsp + 1);
	}
	if (opcode != (gl ? *(const u8 *)gl->va : *message.bytes)) {
		pr_err_ratelimited("a response for %#x holds another message\n", opcode);
		client = NULL;
	}
	if (client)
		return gl ? receive_pages(client, gl, &message) :
			    lld_client->cpl_in(client, &message);
	if (gl)
		drop_pages(gl);
	return 0;
}

void lld_poll_end(struct t4_lro_mgr *lro_mgr)
{
	struct sge_rspq *queue = queue_of(lro_mgr);
	const struct lld_device *dev = READ_ONCE(queue->adap->uld[queue->uld].handle);
	void *client = dev ? READ_ONCE(dev->handle) : NULL;

	if (client)
		lld_client->poll_end(client, index_of(queue));
}

void lld_page_put(void *page)
{
	put_page(page);
}
