/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other end of a connection, for the socket tests: a plain blocking kernel socket on loop-back.
 *
 * The contract of include/os has no connect; an initiator does that. Used by the socket tests
 * only, in process context. Every wait has a limit.
 */
#ifndef CHISCSI_KUNIT_PEER_H
#define CHISCSI_KUNIT_PEER_H

#include <linux/net.h>

#include "os/socket.h"

#define PEER_LIMIT_MS 20000

/** loopback() - 127.0.0.1 or ::1 with a port. */
struct os_address loopback(int is_ipv6, u16 port);

/** peer_connect() - connects to @address. Return: 0 or a negative errno; *@peer is to be closed. */
int peer_connect(const struct os_address *address, struct socket **peer);

/** peer_send() - sends all of it. Return: 0 or a negative errno. */
int peer_send(struct socket *peer, const void *data, size_t size);

/** peer_receive() - reads up to @size bytes. Return: bytes, 0 at the end, or a negative errno. */
long peer_receive(struct socket *peer, void *data, size_t size);

/** peer_receive_all() - reads exactly @size bytes. Return: bytes read, fewer only at an end. */
size_t peer_receive_all(struct socket *peer, void *data, size_t size);

/** peer_port() - the port the connection comes from. */
u16 peer_port(struct socket *peer);

/** peer_reset() - closes the connection with a reset. */
void peer_reset(struct socket *peer);

#endif
