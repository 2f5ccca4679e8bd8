// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending: os_socket_send() and the send notices of include/os/socket.h.
 *
 * Called by the thread that owns the socket; a notice ends in any context, mostly in the softirq
 * that frees acknowledged packets. A list goes to TCP under one hold of the socket's lock. With a
 * notice and enough bytes TCP refers to the pages: the notice is the ubuf_info of the packets, and
 * the network drops its reference when the last copy of a packet is gone. Never waits for room, and
 * never allocates per call apart from what TCP does.
 */
#include <linux/bvec.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <net/dst.h>
#include <net/tcp.h>

#include "target/linux/backport.h"
#include "target/linux/glue.h"
#include "transport/linux/socket.h"

/* Below this many bytes copying costs less than referring to pages and telling the end of it. */
#define ZERO_COPY_MIN (16 * 1024)
/* Below this many bytes a piece (header, padding, digest) is copied in any case. */
#define PIECE_MIN 512
/* Pieces handed to TCP at one time; they are on the stack. */
#define VECTORS 32

#define ZERO_COPY_NEVER 0
#define ZERO_COPY_WHEN_USEFUL 1

static unsigned int zero_copy = ZERO_COPY_WHEN_USEFUL;
module_param(zero_copy, uint, 0644);
MODULE_PARM_DESC(zero_copy, "send without a copy: 0 never, 1 when it pays (default), 2 always");

#define SEND_RETRY (HZ / 20)
#define DRAIN_POLL_MS 20
#define DRAIN_REPORT_MS 30000

/**
 * struct notice - what os_send_notice holds.
 * @ubuf: its reference count is the notice's; first member, see notice_of()
 * @released: the user's
 */
struct notice {
	struct ubuf_info ubuf;
	void (*released)(struct os_send_notice *notice);
};

/*
 * Notices that somebody refers to; a CPU's share may be negative. After the last init the sum only
 * goes down, so a sum of 0 is final even though the CPUs are read one after the other.
 */
static DEFINE_PER_CPU(long, notices);

static struct notice *notice_of(struct os_send_notice *notice)
{
	BUILD_BUG_ON(sizeof(struct notice) > sizeof(notice->opaque));
	return (struct notice *)notice->opaque;
}

static void put_ubuf(struct ubuf_info *ubuf)
{
	struct notice *notice = container_of(ubuf, struct notice, ubuf);

	if (!refcount_dec_and_test(&ubuf->refcnt))
		return;
	notice->released(container_of((void *)notice, struct os_send_notice, opaque));
	/* The notice is gone; the count keeps the module. */
	this_cpu_dec(notices);
}

static void on_packet_gone(struct sk_buff *skb, struct ubuf_info *ubuf, bool success)
{
	put_ubuf(ubuf);
}

static const struct ubuf_info_ops notice_ops = { .complete = on_packet_gone };

void os_send_notice_init(struct os_send_notice *notice,
			 void (*released)(struct os_send_notice *notice))
{
	struct notice *inner = notice_of(notice);

	memset(inner, 0, sizeof(*inner));
	ubuf_info_set_ops(&inner->ubuf, &notice_ops);
	/* Clones of a packet, as TCP makes them to send, share it and its pages. */
	inner->ubuf.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN;
	refcount_set(&inner->ubuf.refcnt, 1);
	inner->released = released;
	this_cpu_inc(notices);
}

void os_send_notice_put(struct os_send_notice *notice)
{
	put_ubuf(&notice_of(notice)->ubuf);
}

static long notices_left(void)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(&notices, cpu));
	return sum;
}

void os_socket_drain(void)
{
	unsigned int waited;

	for (waited = DRAIN_POLL_MS; notices_left() || os_socket_closings();
	     waited += DRAIN_POLL_MS) {
		if (waited % DRAIN_REPORT_MS == 0)
			pr_warn("chiscsi: waiting for the network to give back %ld buffers of %d connections\n",
				notices_left(), os_socket_closings());
		msleep(DRAIN_POLL_MS);
	}
	/* Callbacks that were about to return have done so. */
	synchronize_net();
}

/**
 * struct cursor - a place in a list.
 * @fragments: those that are not done
 * @count: how many
 * @offset: bytes of the first of them that are done
 */
struct cursor {
	const struct os_fragment *fragments;
	size_t count;
	size_t offset;
};

/**
 * struct send_pass - one call of os_socket_send().
 * @sk: the socket, locked
 * @cursor: what TCP has not accepted yet
 * @left: bytes from there to the end of the list
 * @notice: NULL, or what the packets refer to: TCP may use the pages themselves
 * @bounce: page that pieces in @vectors were copied to; referenced, or NULL
 * @used: elements of @vectors
 * @size: bytes of @vectors
 * @vectors: what TCP gets next
 */
struct send_pass {
	struct sock *sk;
	struct cursor cursor;
	size_t left;
	struct notice *notice;
	struct page *bounce;
	unsigned int used;
	size_t size;
	struct bio_vec vectors[VECTORS];
};

static void advance(struct cursor *cursor, size_t size)
{
	cursor->offset += size;
	while (cursor->count && cursor->offset >= cursor->fragments->length) {
		cursor->offset -= cursor->fragments->length;
		cursor->fragments++;
		cursor->count--;
	}
}

static const void *address_at(const struct cursor *cursor)
{
	return cursor->fragments->address + cursor->fragments->offset + cursor->offset;
}

/*
 * Finds the next piece. It ends with its page: memory of vmalloc goes on elsewhere, and the network
 * may be allowed to refer to one page and not to the next. Memory without pages of its own, such as
 * the constants of a module, has no bv_page.
 */
static void find_piece(const struct cursor *cursor, struct bio_vec *piece)
{
	const struct os_fragment *fragment = cursor->fragments;
	size_t place = fragment->offset + cursor->offset;

	if (fragment->page) {
		piece->bv_page = (struct page *)fragment->page + (place >> PAGE_SHIFT);
	} else {
		const void *address = address_at(cursor);

		place = (size_t)address;
		if (is_vmalloc_addr(address))
			piece->bv_page = vmalloc_to_page(address);
		else
			piece->bv_page = virt_addr_valid(address) ? virt_to_page(address) : NULL;
	}
	piece->bv_offset = offset_in_page(place);
	piece->bv_len = min_t(size_t, fragment->length - cursor->offset,
			      PAGE_SIZE - piece->bv_offset);
}

/* Slab memory has no reference count of its own; TCP must not refer to it. */
static bool must_copy(const struct send_pass *pass, const struct bio_vec *piece)
{
	if (!piece->bv_page)
		return true;
	return pass->notice && (piece->bv_len < PIECE_MIN || !sendpage_ok(piece->bv_page));
}

/*
 * Copies a piece to the thread's page fragment, to which TCP may refer, and makes it that one.
 * Return: false when there is no memory, or no more room in the page that is in use already.
 */
static bool copy_piece(struct send_pass *pass, const struct cursor *cursor, struct bio_vec *piece)
{
	struct page_frag *room = sk_page_frag(pass->sk);
	void *to;

	if (!sk_page_frag_refill(pass->sk, room) || (pass->bounce && pass->bounce != room->page))
		return false;
	if (!pass->bounce) {
		/* Keeps the refill from using the room again before TCP has its own reference. */
		pass->bounce = room->page;
		get_page(pass->bounce);
	}
	to = page_address(room->page) + room->offset;
	piece->bv_len = min_t(size_t, piece->bv_len, room->size - room->offset);
	if (piece->bv_page)
		memcpy_from_page(to, piece->bv_page, piece->bv_offset, piece->bv_len);
	else
		memcpy(to, address_at(cursor), piece->bv_len);
	piece->bv_page = room->page;
	piece->bv_offset = room->offset;
	room->offset += piece->bv_len;
	return true;
}

/* Adds a piece to the vectors, to the last one where it continues that. */
static void append(struct send_pass *pass, const struct bio_vec *piece)
{
	struct bio_vec *last = pass->used ? &pass->vectors[pass->used - 1] : NULL;
	size_t end = last ? last->bv_offset + last->bv_len : 0;

	pass->size += piece->bv_len;
	if (last && offset_in_page(end) == offset_in_page(piece->bv_offset) &&
	    last->bv_page + (end >> PAGE_SHIFT) ==
		    piece->bv_page + (piece->bv_offset >> PAGE_SHIFT))
		last->bv_len += piece->bv_len;
	else
		pass->vectors[pass->used++] = *piece;
}

static void fill_vectors(struct send_pass *pass)
{
	struct cursor cursor = pass->cursor;
	struct bio_vec piece;

	pass->used = 0;
	pass->size = 0;
	while (cursor.count && pass->used < VECTORS) {
		find_piece(&cursor, &piece);
		if (must_copy(pass, &piece) && !copy_piece(pass, &cursor, &piece))
			break;
		append(pass, &piece);
		advance(&cursor, piece.bv_len);
	}
}

static int send_vectors(struct send_pass *pass, unsigned int flags)
{
	struct msghdr message = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };

	if (flags & OS_SEND_MORE || pass->size < pass->left)
		message.msg_flags |= MSG_MORE;
	if (pass->notice)
		msg_set_ubuf(&message, &pass->notice->ubuf);
	iov_iter_bvec(&message.msg_iter, ITER_SOURCE, pass->vectors, pass->used, pass->size);
	return tcp_sendmsg_locked(pass->sk, &message, pass->size);
}

/* Return: bytes accepted, or a negative errno; fewer than offered or -EAGAIN: TCP has no room. */
static int send_some(struct send_pass *pass, unsigned int flags)
{
	int sent;

	pass->bounce = NULL;
	fill_vectors(pass);
	if (pass->used) {
		sent = send_vectors(pass, flags);
	} else {
		set_bit(SOCK_NOSPACE, &pass->sk->sk_socket->flags);
		sent = -EAGAIN;
	}
	if (pass->bounce)
		put_page(pass->bounce);
	if (sent > 0) {
		advance(&pass->cursor, sent);
		pass->left -= sent;
	}
	return sent;
}

/*
 * Sees to it that room is reported when TCP has said that there is none. Normally an acknowledgment
 * does that. None will come when TCP has nothing to send, but merely no memory: then we try again
 * ourselves. Nor will one come for a segment that is held back for more.
 */
static void send_later(struct os_socket *socket, struct sock *sk, bool queue_empty)
{
	if (queue_empty)
		schedule_delayed_work(&socket->send_retry, SEND_RETRY);
	else
		tcp_sock_set_nodelay(sk);
}

static size_t bytes_of(const struct os_fragment *fragments, size_t count)
{
	size_t bytes = 0;

	for (; count; count--, fragments++)
		bytes += fragments->length;
	return bytes;
}

/* The network copies a packet that stays on this host when it arrives, at twice our price. */
static bool stays_on_host(struct sock *sk)
{
	const struct dst_entry *route = __sk_dst_get(sk);

	return route && route->dev->flags & IFF_LOOPBACK;
}

static bool worth_zero_copy(const struct send_pass *pass)
{
	unsigned int mode = READ_ONCE(zero_copy);

	if (mode == ZERO_COPY_NEVER || !(pass->sk->sk_route_caps & NETIF_F_SG))
		return false;
	if (mode != ZERO_COPY_WHEN_USEFUL)
		return true;
	return pass->left >= ZERO_COPY_MIN && !stays_on_host(pass->sk);
}

static long send_list(struct os_socket *socket, struct send_pass *pass, unsigned int flags,
		      struct os_send_notice *notice)
{
	size_t total = pass->left;
	bool queue_empty;
	int sent = 0;

	lock_sock(pass->sk);
	if (notice && worth_zero_copy(pass))
		pass->notice = notice_of(notice);
	while (pass->left) {
		sent = send_some(pass, flags);
		if (sent < 0 || sent < pass->size)
			break;
	}
	queue_empty = tcp_rtx_and_write_queues_empty(pass->sk);
	release_sock(pass->sk);
	if (sent == -EAGAIN)
		send_later(socket, pass->sk, queue_empty);
	return total > pass->left ? total - pass->left : sent;
}

long os_socket_send(struct os_socket *socket, const struct os_fragment *fragments, size_t count,
		    size_t skip, unsigned int flags, struct os_send_notice *notice)
{
	struct send_pass pass;
	unsigned int noio;
	long sent;

	pass.sk = socket->sock->sk;
	pass.cursor = (struct cursor){ .fragments = fragments, .count = count };
	pass.left = bytes_of(fragments, count) - skip;
	pass.notice = NULL;
	advance(&pass.cursor, skip);
	noio = memalloc_noio_save();
	sent = send_list(socket, &pass, flags, notice);
	memalloc_noio_restore(noio);
	return sent;
}
