// SPDX-License-Identifier: GPL-2.0-only
/*
 * A listener, one accepted connection and its peer; see fixture.h.
 *
 * Nothing here is a test: a failure ends the test that asked for it.
 */
#include "fixture.h"

void watcher_init(struct kunit *test, struct watcher *watcher)
{
	memset(watcher, 0, sizeof(*watcher));
	watcher->happened = os_event_create();
	KUNIT_ASSERT_NOT_NULL(test, watcher->happened);
}

void watcher_end(struct watcher *watcher)
{
	os_event_destroy(watcher->happened);
	watcher->happened = NULL;
}

void watcher_notify(void *context, unsigned int events)
{
	struct watcher *watcher = context;

	atomic_inc(&watcher->calls);
	atomic_or(events, &watcher->events);
	os_event_signal(watcher->happened);
}

bool watcher_saw(struct watcher *watcher, unsigned int event)
{
	u64 end = os_now_ms() + PEER_LIMIT_MS;

	while (!(atomic_read(&watcher->events) & event)) {
		if (os_now_ms() >= end)
			return false;
		os_event_wait(watcher->happened, 100);
	}
	return true;
}

int accept_within_limit(struct os_socket *listener, struct watcher *watcher,
			struct os_socket **socket)
{
	u64 end = os_now_ms() + PEER_LIMIT_MS;
	int error;

	for (;;) {
		error = os_socket_accept(listener, socket);
		if (error != -EAGAIN || os_now_ms() >= end)
			return error;
		os_event_wait(watcher->happened, 100);
	}
}

struct connection *connection_open(struct kunit *test, int is_ipv6)
{
	struct connection *connection = kunit_kzalloc(test, sizeof(*connection), GFP_KERNEL);
	struct os_address address = loopback(is_ipv6, TEST_PORT);

	KUNIT_ASSERT_NOT_NULL(test, connection);
	watcher_init(test, &connection->listener_watcher);
	watcher_init(test, &connection->watcher);
	KUNIT_ASSERT_EQ(test,
			os_socket_listen(&address, watcher_notify, &connection->listener_watcher,
					 &connection->listener),
			0);
	KUNIT_ASSERT_EQ(test, peer_connect(&address, &connection->peer), 0);
	KUNIT_ASSERT_EQ(test,
			accept_within_limit(connection->listener, &connection->listener_watcher,
					    &connection->socket),
			0);
	os_socket_set_notify(connection->socket, watcher_notify, &connection->watcher);
	return connection;
}

void connection_close(struct connection *connection)
{
	if (connection->peer)
		sock_release(connection->peer);
	if (connection->socket)
		os_socket_close(connection->socket);
	os_socket_close(connection->listener);
	watcher_end(&connection->watcher);
	watcher_end(&connection->listener_watcher);
}

static u8 pattern_at(size_t position)
{
	return position ^ position >> 8 ^ position >> 16;
}

void fill_pattern(u8 *data, size_t size, size_t position)
{
	size_t i;

	for (i = 0; i < size; i++)
		data[i] = pattern_at(position + i);
}

long pattern_error(const u8 *data, size_t size, size_t position)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (data[i] != pattern_at(position + i))
			return i;
	}
	return -1;
}
