// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life and callbacks of a kernel socket: a part of include/os/socket.h; listening, sending, reading
 * and closing have files of their own.
 *
 * Called by the thread that owns the socket; the callbacks by the network, in softirq or under the
 * socket's lock, where they only tell the user. sk_user_data and the user's callback change under
 * sk_callback_lock, and every callback holds that for reading: when a change returns, the old
 * callback is not running. Never waits for the peer.
 *
 * sk_allocation stays GFP_KERNEL and NOIO is a scope around each call: with GFP_NOIO in the socket,
 * TCP would copy into a 32 KiB buffer per connection instead of one per thread.
 */
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "transport/linux/socket.h"

#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_PROBES 6

struct os_socket *os_socket_of(const struct sock *sk)
{
	return (void *)((uintptr_t)READ_ONCE(sk->sk_user_data) & SK_USER_DATA_PTRMASK);
}

/* Tells the user, unless it has gone. Nothing of the os_socket is used outside the lock. */
static void tell(struct sock *sk, unsigned int events)
{
	struct os_socket *socket;

	read_lock_bh(&sk->sk_callback_lock);
	socket = os_socket_of(sk);
	if (socket && socket->notify)
		socket->notify(socket->context, events);
	read_unlock_bh(&sk->sk_callback_lock);
}

/* Also runs for a connection that nobody has accepted yet; that one has no user. */
static void on_data_ready(struct sock *sk)
{
	tell(sk, OS_SOCKET_READABLE);
}

static void on_write_space(struct sock *sk)
{
	/* While the bit is set TCP calls again with each acknowledgment. */
	if (!sk->sk_socket || !sk_stream_is_writeable(sk))
		return;
	clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	tell(sk, OS_SOCKET_WRITABLE);
}

static void on_state_change(struct sock *sk)
{
	if (sk->sk_state != TCP_ESTABLISHED)
		tell(sk, OS_SOCKET_READABLE | OS_SOCKET_CLOSED);
}

static void on_send_retry(struct work_struct *work)
{
	struct os_socket *socket =
		container_of(to_delayed_work(work), struct os_socket, send_retry);

	tell(socket->sock->sk, OS_SOCKET_WRITABLE);
}

static void put_callbacks_in(struct os_socket *socket, const struct os_socket *listener)
{
	struct sock *sk = socket->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	/* Not to be inherited by connections that are cloned from a listener. */
	sk->sk_user_data = (void *)((uintptr_t)socket | SK_USER_DATA_NOCOPY);
	/* A connection has inherited our callback; what was there before, the listener knows. */
	socket->data_ready = listener ? listener->data_ready : sk->sk_data_ready;
	sk->sk_data_ready = on_data_ready;
	if (listener) {
		socket->write_space = sk->sk_write_space;
		sk->sk_write_space = on_write_space;
		socket->state_change = sk->sk_state_change;
		sk->sk_state_change = on_state_change;
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

void os_socket_take_callbacks_out(struct os_socket *socket)
{
	struct sock *sk = socket->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = socket->data_ready;
	if (socket->write_space) {
		sk->sk_write_space = socket->write_space;
		sk->sk_state_change = socket->state_change;
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

static void set_connection_options(struct sock *sk)
{
	tcp_sock_set_nodelay(sk);
	sock_set_keepalive(sk);
	tcp_sock_set_keepidle(sk, KEEPALIVE_IDLE_S);
	tcp_sock_set_keepintvl(sk, KEEPALIVE_INTERVAL_S);
	tcp_sock_set_keepcnt(sk, KEEPALIVE_PROBES);
}

struct os_socket *os_socket_wrap(struct socket *sock, const struct os_socket *listener)
{
	struct os_socket *socket = kzalloc(sizeof(*socket), GFP_KERNEL);

	if (!socket)
		return NULL;
	socket->sock = sock;
	INIT_DELAYED_WORK(&socket->send_retry, on_send_retry);
	if (listener)
		set_connection_options(sock->sk);
	put_callbacks_in(socket, listener);
	return socket;
}

void os_socket_set_notify(struct os_socket *socket, os_socket_notify notify, void *context)
{
	struct sock *sk = socket->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	socket->notify = notify;
	socket->context = context;
	write_unlock_bh(&sk->sk_callback_lock);
}

static void address_from_name(struct os_address *address, const struct sockaddr_storage *name)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)name;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;

	*address = (struct os_address){ .is_ipv6 = name->ss_family == AF_INET6 };
	if (address->is_ipv6) {
		memcpy(address->ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
		address->scope = in6->sin6_scope_id;
		address->port = ntohs(in6->sin6_port);
	} else {
		ipv6_addr_set_v4mapped(in->sin_addr.s_addr, (struct in6_addr *)address->ip);
		address->port = ntohs(in->sin_port);
	}
}

int os_socket_cpu(struct os_socket *socket)
{
	return READ_ONCE(socket->sock->sk->sk_incoming_cpu);
}

int os_socket_addresses(struct os_socket *socket, struct os_address *local,
			struct os_address *peer)
{
	struct sockaddr_storage name = {};
	int err;

	err = kernel_getsockname(socket->sock, (struct sockaddr *)&name);
	if (err < 0)
		return err;
	address_from_name(local, &name);
	err = kernel_getpeername(socket->sock, (struct sockaddr *)&name);
	if (err < 0)
		return err;
	address_from_name(peer, &name);
	return 0;
}

int os_socket_shutdown(struct os_socket *socket)
{
	return kernel_sock_shutdown(socket->sock, SHUT_WR);
}

void os_socket_abort(struct os_socket *socket)
{
	socket->reset_at_close = true;
}
