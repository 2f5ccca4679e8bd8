// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listening sockets: os_socket_listen() and os_socket_accept() of include/os/socket.h.
 *
 * Called by the thread that owns the listener, in process context. A new connection is reported by
 * the callback in socket.c. Never waits for a connection, and never hands out one that still has
 * the listener's callbacks.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>

#include "target/linux/backport.h"
#include "transport/linux/socket.h"

#define BACKLOG 1024

static int name_from_address(struct sockaddr_storage *name, const struct os_address *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)name;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;

	memset(name, 0, sizeof(*name));
	if (address->is_ipv6) {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, address->ip, sizeof(in6->sin6_addr));
		in6->sin6_scope_id = address->scope;
		in6->sin6_port = htons(address->port);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	memcpy(&in->sin_addr, address->ip + 12, sizeof(in->sin_addr));
	in->sin_port = htons(address->port);
	return sizeof(*in);
}

static int bind_to(struct socket *sock, const struct os_address *address)
{
	struct sockaddr_storage name;
	int size = name_from_address(&name, address);
	int err = 0;

	sock_set_reuseaddr(sock->sk);
	if (address->is_ipv6)
		err = ip6_sock_set_v6only(sock->sk);
	if (!err)
		err = kernel_bind(sock, (struct sockaddr_unsized *)&name, size);
	return err;
}

static int open_listener(const struct os_address *address, os_socket_notify notify, void *context,
			 struct os_socket **socket)
{
	struct os_socket *listener;
	struct socket *sock;
	int err;

	err = sock_create_kern(&init_net, address->is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM,
			       IPPROTO_TCP, &sock);
	if (err)
		return err;
	err = bind_to(sock, address);
	listener = err ? NULL : os_socket_wrap(sock, NULL);
	if (!listener) {
		sock_release(sock);
		return err ?: -ENOMEM;
	}
	os_socket_set_notify(listener, notify, context);
	err = kernel_listen(sock, BACKLOG);
	if (err)
		os_socket_close(listener);
	else
		*socket = listener;
	return err;
}

int os_socket_listen(const struct os_address *address, os_socket_notify notify, void *context,
		     struct os_socket **socket)
{
	unsigned int noio = memalloc_noio_save();
	int err = open_listener(address, notify, context, socket);

	memalloc_noio_restore(noio);
	return err;
}

static int accept_one(struct os_socket *listener, struct os_socket **socket)
{
	struct os_socket *accepted;
	struct socket *sock;
	int err;

	err = kernel_accept(listener->sock, &sock, O_NONBLOCK);
	if (err)
		return err;
	accepted = os_socket_wrap(sock, listener);
	if (!accepted) {
		/* By a reset: nothing may stay behind with the callback it has inherited. */
		sock_no_linger(sock->sk);
		sock_release(sock);
		return -ENOMEM;
	}
	*socket = accepted;
	return 0;
}

int os_socket_accept(struct os_socket *listener, struct os_socket **socket)
{
	unsigned int noio = memalloc_noio_save();
	int err = accept_one(listener, socket);

	memalloc_noio_restore(noio);
	return err;
}
