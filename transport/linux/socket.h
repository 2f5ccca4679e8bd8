/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of this folder share about a socket; nobody else includes this.
 */
#ifndef CHISCSI_TRANSPORT_LINUX_SOCKET_H
#define CHISCSI_TRANSPORT_LINUX_SOCKET_H

#include <linux/net.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "os/socket.h"

/**
 * struct os_socket - a kernel socket and the callback of its user.
 * @sock: the kernel's socket, owned
 * @notify: the user's callback or NULL; guarded by sk_callback_lock
 * @context: of @notify; guarded by sk_callback_lock
 * @data_ready: the callback of the network that ours stands in for
 * @write_space: likewise; NULL on a listener, which has no such callback of ours
 * @state_change: likewise
 * @send_retry: reports room to send when no acknowledgment will, see send_later()
 * @end: ends a closed connection whose data the peer has not acknowledged
 * @reset_at_close: os_socket_abort() was called
 */
struct os_socket {
	struct socket *sock;
	os_socket_notify notify;
	void *context;
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	struct delayed_work send_retry;
	struct delayed_work end;
	bool reset_at_close;
};

/**
 * os_socket_wrap() - makes a socket's os_socket and puts our callbacks in.
 * @sock: owned by the result; still the caller's when there is none
 * @listener: the listener @sock was accepted from, NULL when @sock is one
 *
 * Return: the socket, or NULL without memory. Context: process, NOIO scope.
 */
struct os_socket *os_socket_wrap(struct socket *sock, const struct os_socket *listener);

/** os_socket_of() - the socket's user; NULL when its callbacks are out. Under sk_callback_lock. */
struct os_socket *os_socket_of(const struct sock *sk);

/** os_socket_take_callbacks_out() - when it returns none of ours runs or will. Context: process. */
void os_socket_take_callbacks_out(struct os_socket *socket);

/** os_socket_drain() - waits for the notices and the closings. Context: process. */
void os_socket_drain(void);

/** os_socket_closings() - how many connections os_socket_close() has not ended yet. */
int os_socket_closings(void);

#endif
