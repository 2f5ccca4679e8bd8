// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plain kernel socket as the peer of the sockets under test; see peer.h.
 *
 * Uses the kernel's own calls and nothing of include/os but the address type, so that a mistake
 * there cannot hide itself.
 */
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/jiffies.h>
#include <linux/net.h>
#include <linux/string.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "peer.h"

struct os_address loopback(int is_ipv6, u16 port)
{
	struct os_address address = { .port = port, .is_ipv6 = is_ipv6 };

	if (is_ipv6) {
		address.ip[15] = 1;
	} else {
		address.ip[10] = 0xff;
		address.ip[11] = 0xff;
		address.ip[12] = 127;
		address.ip[15] = 1;
	}
	return address;
}

static int sockaddr_of(const struct os_address *address, struct sockaddr_storage *storage)
{
	memset(storage, 0, sizeof(*storage));
	if (address->is_ipv6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(address->port);
		memcpy(&in6->sin6_addr, address->ip, 16);
		return sizeof(*in6);
	}
	((struct sockaddr_in *)storage)->sin_family = AF_INET;
	((struct sockaddr_in *)storage)->sin_port = htons(address->port);
	memcpy(&((struct sockaddr_in *)storage)->sin_addr, address->ip + 12, 4);
	return sizeof(struct sockaddr_in);
}

int peer_connect(const struct os_address *address, struct socket **peer)
{
	struct sockaddr_storage storage;
	int size = sockaddr_of(address, &storage);
	int error = sock_create_kern(&init_net, address->is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM,
				     IPPROTO_TCP, peer);

	if (error)
		return error;
	(*peer)->sk->sk_rcvtimeo = msecs_to_jiffies(PEER_LIMIT_MS);
	(*peer)->sk->sk_sndtimeo = msecs_to_jiffies(PEER_LIMIT_MS);
	error = kernel_connect(*peer, (struct sockaddr *)&storage, size, 0);
	if (error) {
		sock_release(*peer);
		*peer = NULL;
	}
	return error;
}

int peer_send(struct socket *peer, const void *data, size_t size)
{
	while (size) {
		struct msghdr message = { .msg_flags = MSG_NOSIGNAL };
		struct kvec piece = { (void *)data, size };
		int sent = kernel_sendmsg(peer, &message, &piece, 1, size);

		if (sent <= 0)
			return sent < 0 ? sent : -EPIPE;
		data += sent;
		size -= sent;
	}
	return 0;
}

long peer_receive(struct socket *peer, void *data, size_t size)
{
	struct msghdr message = {};
	struct kvec piece = { data, size };

	return kernel_recvmsg(peer, &message, &piece, 1, size, 0);
}

size_t peer_receive_all(struct socket *peer, void *data, size_t size)
{
	size_t received = 0;

	while (received < size) {
		long more = peer_receive(peer, data + received, size - received);

		if (more <= 0)
			break;
		received += more;
	}
	return received;
}

u16 peer_port(struct socket *peer)
{
	struct sockaddr_storage storage = {};

	if (kernel_getsockname(peer, (struct sockaddr *)&storage) < 0)
		return 0;
	/* The port is at the same place in both families. */
	return ntohs(((struct sockaddr_in *)&storage)->sin_port);
}

void peer_reset(struct socket *peer)
{
	sock_no_linger(peer->sk);
	sock_release(peer);
}
