// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages to the adapter: a struct lld_buffer is an sk_buff.
 *
 * Its linear part is the header, its fragments are the payload. cxgb4 copies a short message into
 * the queue whole. Of a long one it copies what is before the transport header and lets the adapter
 * fetch the rest: the linear rest as one piece, then each fragment. The work request says where that
 * border is by its immediate length, and counts on the number of pieces: one of buffer_add() is one
 * here. Any context but with interrupts off; nothing sleeps.
 */
#include <linux/align.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/string.h>

#include "offload/linux/lld_cxgb4.h"
#include "l2t.h"
#include "t4_hw.h"
#include "t4_msg.h"
#include "t4fw_api.h"

/* What the LLD keeps at the head of a long message: the bus addresses of its pieces. */
#define ROOM_FOR_ADDRESSES ALIGN((MAX_SKB_FRAGS + 1) * sizeof(dma_addr_t) + sizeof(void *), 16)
/* A message that is longer than this may not be copied whole; shorter than cxgb4's own limits. */
#define SURELY_IMMEDIATE 240

/**
 * struct buffer_state - what we keep in skb->cb while the LLD has the message.
 * @l2t: the LLD's, first
 * @failed: the client's function for a next hop that does not answer
 * @context: of @failed
 */
struct buffer_state {
	struct l2t_skb_cb l2t;
	lld_arp_failure failed;
	void *context;
};

static struct buffer_state *state_of(struct sk_buff *skb)
{
	BUILD_BUG_ON(sizeof(struct buffer_state) > sizeof(skb->cb));
	return (struct buffer_state *)skb->cb;
}

static struct sk_buff *skb_of(struct lld_buffer *buffer)
{
	return (struct sk_buff *)buffer;
}

static struct lld_buffer *buffer_of(struct sk_buff *skb)
{
	return (struct lld_buffer *)skb;
}

struct lld_buffer *lld_buffer_alloc(struct lld_device *dev, u32 header_size, u32 fragments)
{
	const u32 room = fragments || header_size > SURELY_IMMEDIATE ? ROOM_FOR_ADDRESSES : 0;
	struct sk_buff *skb;

	if (fragments > MAX_SKB_FRAGS)
		return NULL;
	skb = alloc_skb(room + header_size, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, room);
	__skb_put_zero(skb, header_size);
	skb_reset_transport_header(skb);
	return buffer_of(skb);
}

u8 *lld_buffer_header(struct lld_buffer *buffer)
{
	return skb_of(buffer)->data;
}

void lld_buffer_free(struct lld_buffer *buffer)
{
	kfree_skb(skb_of(buffer));
}

/* The page of a piece that others may refer to, or NULL. */
static struct page *page_of(const struct os_fragment *piece, u32 *offset)
{
	const u8 *at = (const u8 *)piece->address + piece->offset;
	struct page *page;

	*offset = piece->page ? offset_in_page(piece->offset) : offset_in_page(at);
	if (piece->page)
		page = nth_page((struct page *)piece->page, piece->offset >> PAGE_SHIFT);
	else if (virt_addr_valid(at))
		page = virt_to_page(at);
	else
		return NULL;
	return sendpage_ok(page) ? page : NULL;
}

static void copy_piece(void *to, const struct os_fragment *piece)
{
	u32 offset = offset_in_page(piece->offset), left = piece->length;
	struct page *page = piece->page;

	if (!page) {
		memcpy(to, (const u8 *)piece->address + piece->offset, left);
		return;
	}
	for (page = nth_page(page, piece->offset >> PAGE_SHIFT); left; page = nth_page(page, 1)) {
		const u32 part = min_t(u32, left, PAGE_SIZE - offset);

		memcpy_from_page(to, page, offset, part);
		to += part;
		left -= part;
		offset = 0;
	}
}

/* Memory of the slab, of vmalloc and of modules: nobody may hold on to its pages. */
static struct page *copied_page(const struct os_fragment *piece, u32 *offset)
{
	struct page *page;
	void *memory;

	if (piece->length <= PAGE_SIZE) {
		memory = netdev_alloc_frag(piece->length);
		page = memory ? virt_to_head_page(memory) : NULL;
	} else {
		page = alloc_pages(GFP_ATOMIC | __GFP_COMP | __GFP_NOWARN, get_order(piece->length));
		memory = page ? page_address(page) : NULL;
	}
	if (!page)
		return NULL;
	*offset = memory - page_address(page);
	copy_piece(memory, piece);
	return page;
}

int lld_buffer_add(struct lld_buffer *buffer, const struct os_fragment *piece)
{
	struct sk_buff *skb = skb_of(buffer);
	const int index = skb_shinfo(skb)->nr_frags;
	struct page *page;
	u32 offset;

	if (!piece->length || index == MAX_SKB_FRAGS || skb_headroom(skb) < ROOM_FOR_ADDRESSES)
		return -EINVAL;
	page = page_of(piece, &offset);
	if (page)
		get_page(page);
	else
		page = copied_page(piece, &offset);
	if (!page)
		return -ENOMEM;
	skb_fill_page_desc(skb, index, page, offset, piece->length);
	skb->len += piece->length;
	skb->data_len += piece->length;
	skb->truesize += piece->length;
	return 0;
}

static u32 work_request_hi(const struct sk_buff *skb)
{
	return be32_to_cpu(((const struct work_request_hdr *)skb->data)->wr_hi);
}

static u32 immediate_limit(u32 opcode)
{
	return opcode == FW_ULPTX_WR ? MAX_IMM_ULPTX_WR_LEN : MAX_IMM_OFLD_TX_DATA_WR_LEN;
}

/*
 * Puts the border between what is copied and what is fetched where the work request says it is. Only
 * those that carry PDUs can be long; when they are short all of it has to be immediate.
 */
static int set_border(struct sk_buff *skb)
{
	const u32 hi = work_request_hi(skb);
	const u32 opcode = FW_WR_OP_G(hi);
	const u32 header = sizeof(struct fw_ofld_tx_data_wr);
	const u32 border = header + (hi & FW_WR_IMMDLEN_M);
	const bool short_enough = skb->len <= immediate_limit(opcode);

	if (opcode != FW_OFLD_TX_DATA_WR && opcode != FW_ISCSI_TX_DATA_WR)
		return short_enough ? 0 : -EINVAL;
	if (short_enough)
		return border == skb->len ? 0 : -EINVAL;
	if (border > skb_headlen(skb) || skb_headroom(skb) < ROOM_FOR_ADDRESSES)
		return -EINVAL;
	skb_set_transport_header(skb, border);
	return 0;
}

/* What cxgb4 would take without a check and then warn of, or do wrong. */
static int check_send(struct lld_device *dev, struct sk_buff *skb, u32 queue, int control)
{
	if (!READ_ONCE(dev->up))
		return -EIO;
	if (skb_headlen(skb) < sizeof(struct work_request_hdr))
		return -EINVAL;
	if (control)
		return queue < dev->info.port_count && skb->len <= SGE_MAX_WR_LEN ? 0 : -EINVAL;
	return queue < dev->info.tx_queue_count ? set_border(skb) : -EINVAL;
}

static int prepare(struct lld_device *dev, struct sk_buff *skb, u32 queue, int control)
{
	const int err = check_send(dev, skb, queue, control);

	if (!err)
		set_wr_txq(skb, control ? CPL_PRIORITY_CONTROL : CPL_PRIORITY_DATA, queue);
	return err;
}

int lld_send(struct lld_device *dev, struct lld_buffer *buffer, u32 queue, int control)
{
	struct sk_buff *skb = skb_of(buffer);
	int err = prepare(dev, skb, queue, control);

	if (!err)
		err = cxgb4_ofld_send(dev->lldi.ports[0], skb);
	return min(err, 0);
}

static void on_arp_failure(void *unused, struct sk_buff *skb)
{
	const struct buffer_state *state = state_of(skb);

	if (state->failed)
		state->failed(buffer_of(skb), state->context);
	else
		kfree_skb(skb);
}

/*
 * The LLD keeps a message back in the states RESOLVING and SYNC_WRITE. An entry is in one of them only
 * until it is resolved for the first time: while it is held it then changes between VALID and STALE,
 * and sends in both.
 */
int lld_send_l2t(struct lld_device *dev, struct lld_buffer *buffer, u32 queue, int control,
		 struct lld_l2t *l2t, lld_arp_failure failed, void *context)
{
	struct l2t_entry *entry = (struct l2t_entry *)l2t;
	struct sk_buff *skb = skb_of(buffer);
	int err = prepare(dev, skb, queue, control);

	/* The LLD would lose it. */
	if (!err && READ_ONCE(entry->state) == L2T_STATE_NOARP)
		err = -EHOSTUNREACH;
	if (err)
		return err;
	state_of(skb)->failed = failed;
	state_of(skb)->context = context;
	t4_set_arp_err_handler(skb, NULL, on_arp_failure);
	return min(cxgb4_l2t_send(dev->lldi.ports[0], skb, entry), 0);
}
