/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A listener, one accepted connection and its peer, with callbacks that are counted: what most
 * socket tests begin with. Used by the socket tests, in process context.
 */
#ifndef CHISCSI_KUNIT_FIXTURE_H
#define CHISCSI_KUNIT_FIXTURE_H

#include <kunit/test.h>

#include "os/socket.h"
#include "os/thread.h"
#include "peer.h"

#define TEST_PORT 33260

/**
 * struct watcher - what a notify callback has seen.
 * @happened: signalled by each call
 * @calls: how often it was called
 * @events: all events that were reported
 */
struct watcher {
	struct os_event *happened;
	atomic_t calls;
	atomic_t events;
};

void watcher_init(struct kunit *test, struct watcher *watcher);
void watcher_end(struct watcher *watcher);
/** watcher_notify() - the os_socket_notify; its context is a struct watcher. */
void watcher_notify(void *context, unsigned int events);
/** watcher_saw() - waits until @event was reported. Return: false when the time ran out. */
bool watcher_saw(struct watcher *watcher, unsigned int event);

struct connection {
	struct watcher listener_watcher;
	struct watcher watcher;
	struct os_socket *listener;
	struct os_socket *socket; /* NULL when the test has closed it. */
	struct socket *peer;      /* NULL when the test has closed it. */
};

/** accept_within_limit() - takes the next connection, and waits for one. Return: 0 or an errno. */
int accept_within_limit(struct os_socket *listener, struct watcher *watcher,
			struct os_socket **socket);

/** connection_open() - both ends of one connection; ends the test when that fails. */
struct connection *connection_open(struct kunit *test, int is_ipv6);
/** connection_close() - closes what the test has left open. */
void connection_close(struct connection *connection);

/** fill_pattern() - bytes that differ from place to place. */
void fill_pattern(u8 *data, size_t size, size_t position);
/** pattern_error() - the first place where @data is not the pattern, or -1. */
long pattern_error(const u8 *data, size_t size, size_t position);

#endif
