// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving: os_socket_read() of include/os/socket.h.
 *
 * Called by the thread that owns the socket. One pass under the socket's lock walks the packets
 * that have arrived, in place, so that the consumer makes the only copy there is. Never sleeps for
 * data, and never copies by itself.
 */
#include <linux/kernel.h>
#include <linux/sched/mm.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/tcp.h>

#include "transport/linux/socket.h"

/**
 * struct read_pass - one call of os_socket_read().
 * @consume: the user's
 * @context: of @consume
 * @left: bytes still wanted
 * @stopped: the consumer took less than it was offered
 */
struct read_pass {
	os_socket_consume consume;
	void *context;
	size_t left;
	bool stopped;
};

/* Offers one packet, or its rest. The last piece of skb_seq_read() may reach beyond @size. */
static unsigned int offer_packet(struct read_pass *pass, struct sk_buff *skb, unsigned int offset,
				 unsigned int size)
{
	struct skb_seq_state state;
	unsigned int taken = 0;
	const u8 *data;

	skb_prepare_seq_read(skb, offset, offset + size, &state);
	while (taken < size) {
		unsigned int offered = skb_seq_read(taken, &data, &state);
		size_t used;

		if (!offered)
			break;
		offered = min(offered, size - taken);
		/* A consumer that sleeps is reported by the debug kernel, whatever the packet. */
		non_block_start();
		used = pass->consume(pass->context, data, offered);
		non_block_end();
		taken += min_t(size_t, used, offered);
		if (used < offered) {
			pass->stopped = true;
			break;
		}
	}
	skb_abort_seq_read(&state);
	return taken;
}

/* TCP calls this for each packet, and again for the rest of one; 0 ends the pass. */
static int on_packet(read_descriptor_t *descriptor, struct sk_buff *skb, unsigned int offset,
		     size_t size)
{
	struct read_pass *pass = descriptor->arg.data;
	unsigned int taken;

	if (pass->stopped)
		return 0;
	taken = offer_packet(pass, skb, offset, size);
	pass->left -= min_t(size_t, pass->left, taken);
	if (pass->stopped || !pass->left)
		descriptor->count = 0;
	return taken;
}

/* What another pass would find. What comes after the lock is dropped makes a callback. */
static bool finds_more(struct sock *sk, const struct read_pass *pass)
{
	return pass->stopped || !pass->left || !skb_queue_empty(&sk->sk_receive_queue) ||
	       sk->sk_err || sk->sk_shutdown & RCV_SHUTDOWN || sk->sk_state == TCP_CLOSE;
}

/* Why a pass has found nothing. */
static long state_of(struct sock *sk)
{
	if (sk->sk_err)
		return sock_error(sk);
	/* Urgent data is not part of iSCSI; TCP would stop in front of it for ever. */
	if (tcp_sk(sk)->urg_data && !skb_queue_empty(&sk->sk_receive_queue))
		return -EPROTO;
	if (sk->sk_shutdown & RCV_SHUTDOWN || sk->sk_state == TCP_CLOSE)
		return -EPIPE;
	return -EAGAIN;
}

long os_socket_read(struct os_socket *socket, os_socket_consume consume, void *context,
		    size_t limit, int *more)
{
	struct sock *sk = socket->sock->sk;
	struct read_pass pass = { .consume = consume, .context = context, .left = limit };
	read_descriptor_t descriptor = { .arg.data = &pass, .count = 1 };
	unsigned int noio = memalloc_noio_save();
	long taken;

	lock_sock(sk);
	taken = tcp_read_sock(sk, &descriptor, on_packet);
	if (more)
		*more = finds_more(sk, &pass);
	if (!taken && !pass.stopped)
		taken = state_of(sk);
	release_sock(sk);
	memalloc_noio_restore(noio);
	return taken;
}
