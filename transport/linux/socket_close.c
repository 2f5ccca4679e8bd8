// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a socket: os_socket_close(), which never waits, and what is left to be done after it.
 *
 * What was accepted for sending goes out after the close, but not for longer than CLOSE_LIMIT_MS:
 * memory that was sent by reference has an owner who waits for it. TCP's own limit is for peers
 * that say nothing; one that takes a byte now and then would keep the memory for ever. So the
 * socket stays ours until the peer has acknowledged all of it, or the limit has passed: then the
 * connection is reset. That holds for a FIN alone, too: the kernel stops the timers of its own
 * sockets when they are released, and a FIN that got lost would never be sent again.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/tcp.h>

#include "target/linux/glue.h"
#include "transport/linux/socket.h"

#define CLOSE_LIMIT_MS 30000

static struct workqueue_struct *end_queue;
static atomic_t closings = ATOMIC_INIT(0);

int os_socket_start(void)
{
	end_queue = alloc_workqueue("chiscsi_close", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return end_queue ? 0 : -ENOMEM;
}

void os_socket_stop(void)
{
	os_socket_drain();
	destroy_workqueue(end_queue);
}

int os_socket_closings(void)
{
	return atomic_read(&closings);
}

/* The peer has not acknowledged our FIN, which is the last that it is sent. */
static bool is_unacknowledged(const struct sock *sk)
{
	return (1 << READ_ONCE(sk->sk_state)) & (TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK);
}

static void on_state_change(struct sock *sk)
{
	struct os_socket *socket;

	read_lock_bh(&sk->sk_callback_lock);
	socket = os_socket_of(sk);
	if (socket && !is_unacknowledged(sk))
		mod_delayed_work(end_queue, &socket->end, 0);
	read_unlock_bh(&sk->sk_callback_lock);
}

static size_t discard(void *context, const u8 *data, size_t size)
{
	return size;
}

/* TCP answers a close with unread data by a reset, and what is on its way would be lost. */
static void discard_unread(struct os_socket *socket)
{
	os_socket_read(socket, discard, NULL, SIZE_MAX, NULL);
}

static void release(struct os_socket *socket)
{
	sock_release(socket->sock);
	kfree(socket);
}

static void end_closing(struct work_struct *work)
{
	struct os_socket *socket = container_of(to_delayed_work(work), struct os_socket, end);
	unsigned int noio = memalloc_noio_save();

	os_socket_take_callbacks_out(socket);
	cancel_delayed_work(&socket->end); /* A last callback has asked for what happens here. */
	discard_unread(socket);
	if (is_unacknowledged(socket->sock->sk))
		sock_no_linger(socket->sock->sk);
	release(socket);
	memalloc_noio_restore(noio);
	atomic_dec(&closings);
}

static void begin_closing(struct os_socket *socket)
{
	struct sock *sk = socket->sock->sk;

	atomic_inc(&closings);
	tcp_sock_set_user_timeout(sk, CLOSE_LIMIT_MS);
	kernel_sock_shutdown(socket->sock, SHUT_WR);
	INIT_DELAYED_WORK(&socket->end, end_closing);
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = (void *)((uintptr_t)socket | SK_USER_DATA_NOCOPY);
	sk->sk_state_change = on_state_change;
	/* The state may have changed before; afterwards the callback comes. It waits for the lock. */
	queue_delayed_work(end_queue, &socket->end,
			   is_unacknowledged(sk) ? msecs_to_jiffies(CLOSE_LIMIT_MS) : 0);
	write_unlock_bh(&sk->sk_callback_lock);
}

static bool is_connection(const struct sock *sk)
{
	return READ_ONCE(sk->sk_state) != TCP_LISTEN;
}

/* There is a FIN to be sent, or one that the peer has not acknowledged. */
static bool has_to_be_heard(const struct sock *sk)
{
	return is_unacknowledged(sk) ||
	       (1 << READ_ONCE(sk->sk_state)) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT);
}

void os_socket_close(struct os_socket *socket)
{
	unsigned int noio = memalloc_noio_save();
	struct sock *sk = socket->sock->sk;

	/* 1. No callback of the user runs or will run. */
	os_socket_take_callbacks_out(socket);
	cancel_delayed_work_sync(&socket->send_retry);
	/* 2. The connection ends, by FIN or by reset. */
	if (socket->reset_at_close)
		sock_no_linger(sk);
	else if (is_connection(sk))
		discard_unread(socket);
	/* 3. What TCP still has to do it does without the user. */
	if (!socket->reset_at_close && has_to_be_heard(sk))
		begin_closing(socket);
	else
		release(socket);
	memalloc_noio_restore(noio);
}
