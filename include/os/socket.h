/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP sockets of the host, never blocking. See os/memory.h for what this contract is.
 *
 * A socket has one user at a time: the thread that owns it. Only its notify callback runs
 * elsewhere. Nothing here waits for the network.
 */
#ifndef CHISCSI_OS_SOCKET_H
#define CHISCSI_OS_SOCKET_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct os_socket;

/**
 * struct os_address - one end of a TCP connection.
 * @ip: 16 bytes; an IPv4 address in its IPv4-mapped form (::ffff:a.b.c.d)
 * @scope: interface index of a link-local IPv6 address, else 0
 * @port: in host order
 * @is_ipv6: 0 for an IPv4 address
 */
struct os_address {
	uint8_t ip[16];
	uint32_t scope;
	uint16_t port;
	uint8_t is_ipv6;
};

#define OS_SOCKET_READABLE 1u /* Data, end of stream, an error, or a connection to accept. */
#define OS_SOCKET_WRITABLE 2u /* Room to send. */
#define OS_SOCKET_CLOSED 4u   /* The peer has closed or the connection is broken. */

/** Called from softirq or any other context when something may have changed; must not sleep. */
typedef void (*os_socket_notify)(void *context, unsigned int events);

/**
 * os_socket_listen() - opens a listening socket; an IPv6 one takes no IPv4 connections.
 * Return: 0 or a negative errno. Context: process.
 */
int os_socket_listen(const struct os_address *address, os_socket_notify notify, void *context,
		     struct os_socket **socket);

/**
 * os_socket_accept() - takes one established connection; its notify is unset.
 * Return: 0, -EAGAIN when there is none, or another negative errno. Context: process.
 */
int os_socket_accept(struct os_socket *listener, struct os_socket **socket);

/**
 * os_socket_set_notify() - sets or (with NULL) removes the callback.
 *
 * When it returns, the previous callback is not running and never runs again. Conditions that hold
 * already are not reported: look once after setting. Context: process.
 */
void os_socket_set_notify(struct os_socket *socket, os_socket_notify notify, void *context);

/** os_socket_cpu() - the CPU on which a packet of a connection arrived last; -1: none; a hint. */
int os_socket_cpu(struct os_socket *socket);

/** os_socket_addresses() - both ends of a connection. Return: 0 or a negative errno. */
int os_socket_addresses(struct os_socket *socket, struct os_address *local,
			struct os_address *peer);

/**
 * Takes received bytes. Called with contiguous pieces in order, with the host's socket lock held:
 * it must not sleep and must not use the socket.
 * Return: the bytes used; fewer than @size ends the pass and leaves the rest in the socket.
 */
typedef size_t (*os_socket_consume)(void *context, const uint8_t *data, size_t size);

/**
 * os_socket_read() - one pass over what has arrived.
 * @limit: about how many bytes to take in this pass
 * @more: null, or set to 1 if another call would find bytes, the end of the stream or an error; 0:
 * what comes from now on makes a callback
 * Return: bytes used (0 may mean that the consumer took none), -EAGAIN when nothing is there,
 * -EPIPE at the end of the stream, or another negative errno. Context: process.
 */
long os_socket_read(struct os_socket *socket, os_socket_consume consume, void *context,
		    size_t limit, int *more);

/**
 * struct os_fragment - a piece of what is to be sent.
 * @page: a host page (struct page *), or NULL
 * @address: virtual address of the first byte when @page is NULL
 * @offset: into @page, or added to @address
 * @length: bytes; offset + length may reach over several contiguous pages
 */
struct os_fragment {
	void *page;
	const void *address;
	uint32_t offset;
	uint32_t length;
};

/**
 * struct os_send_notice - tells when the network no longer refers to memory that was sent.
 * @opaque: the host's own
 *
 * Prepared by os_send_notice_init() with one reference for its user; each os_socket_send() with it
 * may take more. The callback runs exactly once, in any context, when the last one is gone.
 */
struct os_send_notice {
	unsigned long opaque[10];
};
void os_send_notice_init(struct os_send_notice *notice,
			 void (*released)(struct os_send_notice *notice));
/** os_send_notice_put() - gives up the user's reference. Context: any. */
void os_send_notice_put(struct os_send_notice *notice);

#define OS_SEND_MORE 1u /* More follows at once: hold back a partial segment. */

/**
 * os_socket_send() - sends a gathered list without blocking.
 * @skip: bytes of the list that were accepted by earlier calls
 * @notice: NULL: everything is copied, the memory is free at once. Else the pages may be sent
 *	without a copy, and the memory must stay unchanged until the notice is released.
 * Return: bytes accepted (maybe fewer than offered), -EAGAIN when there is no room (writable is
 * reported later), or another negative errno. Context: process.
 */
long os_socket_send(struct os_socket *socket, const struct os_fragment *fragments, size_t count,
		    size_t skip, unsigned int flags, struct os_send_notice *notice);

/**
 * os_socket_shutdown() - nothing more is sent: the peer sees the end of the stream behind what was
 * accepted. Receiving goes on. Return: 0 or a negative errno. Context: process.
 */
int os_socket_shutdown(struct os_socket *socket);

/** os_socket_abort() - ends the connection with a reset at the next close. */
void os_socket_abort(struct os_socket *socket);

/**
 * os_socket_close() - closes and frees; the callback is removed first. What was accepted for
 * sending still goes out, unless os_socket_abort() was called, but not for longer than half a
 * minute: then the connection is reset, and the notices come. A FIN that gets lost is sent again
 * for as long. Context: process.
 */
void os_socket_close(struct os_socket *socket);

#ifdef __cplusplus
}
#endif
#endif
