// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of include/os/socket.h on Linux, over loop-back: listening, accepting, and reading with
 * consumers that take what they like. The peer is a plain kernel socket (peer.h). Sending and
 * closing are tested in socket_send_test.c, races in socket_race_test.c.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "fixture.h"
#include "suites.h"

/* --- listening and accepting ---------------------------------------------------------------- */

static void accept_takes_connections_of(struct kunit *test, int is_ipv6)
{
	struct os_address address = loopback(is_ipv6, TEST_PORT), local, peer_address;
	struct os_socket *listener, *socket, *other;
	struct watcher watcher;
	struct socket *peer;

	watcher_init(test, &watcher);
	KUNIT_ASSERT_EQ(test, os_socket_listen(&address, watcher_notify, &watcher, &listener), 0);
	KUNIT_EXPECT_EQ(test, os_socket_accept(listener, &socket), -EAGAIN);
	KUNIT_EXPECT_EQ(test, atomic_read(&watcher.calls), 0);

	KUNIT_ASSERT_EQ(test, peer_connect(&address, &peer), 0);
	KUNIT_EXPECT_TRUE(test, watcher_saw(&watcher, OS_SOCKET_READABLE));
	KUNIT_ASSERT_EQ(test, accept_within_limit(listener, &watcher, &socket), 0);
	KUNIT_EXPECT_EQ(test, os_socket_accept(listener, &other), -EAGAIN);

	KUNIT_ASSERT_EQ(test, os_socket_addresses(socket, &local, &peer_address), 0);
	KUNIT_EXPECT_EQ(test, local.port, TEST_PORT);
	KUNIT_EXPECT_EQ(test, local.is_ipv6, is_ipv6);
	KUNIT_EXPECT_EQ(test, memcmp(local.ip, address.ip, 16), 0);
	KUNIT_EXPECT_EQ(test, peer_address.port, peer_port(peer));
	KUNIT_EXPECT_EQ(test, memcmp(peer_address.ip, address.ip, 16), 0);

	sock_release(peer);
	os_socket_close(socket);
	os_socket_close(listener);
	watcher_end(&watcher);
}

static void accept_takes_ipv4_connections(struct kunit *test)
{
	accept_takes_connections_of(test, 0);
}

static void accept_takes_ipv6_connections(struct kunit *test)
{
	accept_takes_connections_of(test, 1);
}

static void ipv6_listener_leaves_ipv4_alone(struct kunit *test)
{
	struct os_address any6 = { .is_ipv6 = 1, .port = TEST_PORT };
	struct os_address any4 = loopback(0, TEST_PORT), local4 = loopback(0, TEST_PORT);
	struct os_socket *listener6, *listener4;
	struct watcher watcher;
	struct socket *peer;

	watcher_init(test, &watcher);
	memset(any4.ip + 12, 0, 4);
	KUNIT_ASSERT_EQ(test, os_socket_listen(&any6, watcher_notify, &watcher, &listener6), 0);
	KUNIT_EXPECT_EQ(test, peer_connect(&local4, &peer), -ECONNREFUSED);
	KUNIT_ASSERT_EQ(test, os_socket_listen(&any4, watcher_notify, &watcher, &listener4), 0);
	KUNIT_ASSERT_EQ(test, peer_connect(&local4, &peer), 0);
	sock_release(peer);
	os_socket_close(listener4);
	os_socket_close(listener6);
	watcher_end(&watcher);
}

static void listen_refuses_an_address_in_use(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct os_address address = loopback(0, TEST_PORT);
	struct os_socket *listener = NULL;

	KUNIT_EXPECT_EQ(test,
			os_socket_listen(&address, watcher_notify, &connection->watcher, &listener),
			-EADDRINUSE);
	/* Ours closes first, so it is ours that waits in TIME_WAIT; that must not be in the way. */
	os_socket_close(connection->socket);
	connection->socket = NULL;
	connection_close(connection);
	connection = connection_open(test, 0);
	connection_close(connection);
}

static void listen_refuses_a_foreign_address(struct kunit *test)
{
	struct os_address address = loopback(0, TEST_PORT);
	struct os_socket *listener = NULL;
	struct watcher watcher;

	watcher_init(test, &watcher);
	memcpy(address.ip + 12, "\xc0\x00\x02\x01", 4);
	KUNIT_EXPECT_EQ(test, os_socket_listen(&address, watcher_notify, &watcher, &listener),
			-EADDRNOTAVAIL);
	watcher_end(&watcher);
}

/* --- reading ---------------------------------------------------------------------------------- */

/**
 * struct sink - takes what os_socket_read() offers.
 * @data: where it goes
 * @room: its size
 * @used: bytes taken
 * @most: taken per call at most
 */
struct sink {
	u8 *data;
	size_t room;
	size_t used;
	size_t most;
};

static size_t sink_consume(void *context, const u8 *data, size_t size)
{
	struct sink *sink = context;
	size_t take = min3(size, sink->most, sink->room - sink->used);

	memcpy(sink->data + sink->used, data, take);
	sink->used += take;
	return take;
}

static void sink_init(struct kunit *test, struct sink *sink, size_t room, size_t most)
{
	sink->data = kvzalloc(room, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, sink->data);
	sink->room = room;
	sink->used = 0;
	sink->most = most;
}

/* One successful pass of a socket without a callback: looks again until something is there. */
static long read_within_limit(struct os_socket *socket, struct sink *sink)
{
	u64 end = os_now_ms() + PEER_LIMIT_MS;
	long result;

	while ((result = os_socket_read(socket, sink_consume, sink, SIZE_MAX, NULL)) == -EAGAIN) {
		if (os_now_ms() >= end)
			break;
		usleep_range(1000, 2000);
	}
	return result;
}

/* Reads until the sink is full; returns 0 or what ended it. */
static long drain(struct connection *connection, struct sink *sink, size_t limit)
{
	while (sink->used < sink->room) {
		size_t before = sink->used;
		long result = os_socket_read(connection->socket, sink_consume, sink, limit, NULL);

		if (result == -EAGAIN) {
			if (!os_event_wait(connection->watcher.happened, PEER_LIMIT_MS))
				return -ETIMEDOUT;
		} else if (result < 0) {
			return result;
		} else if (result != sink->used - before) {
			return -EBADMSG;
		}
	}
	return 0;
}

struct sender {
	struct socket *peer;
	const u8 *data;
	size_t size;
	int result;
};

static void send_all(void *argument)
{
	struct sender *sender = argument;

	sender->result = peer_send(sender->peer, sender->data, sender->size);
}

/* The peer sends @size bytes; the sink takes @most at a time, in passes of @limit. */
static void transfer(struct kunit *test, int is_ipv6, size_t size, size_t most, size_t limit)
{
	struct connection *connection = connection_open(test, is_ipv6);
	struct sender sender = { .peer = connection->peer, .size = size };
	u8 *data = kvmalloc(size, GFP_KERNEL);
	struct os_thread *thread;
	struct sink sink;

	KUNIT_ASSERT_NOT_NULL(test, data);
	fill_pattern(data, size, 0);
	sender.data = data;
	sink_init(test, &sink, size, most);
	thread = os_thread_start(send_all, &sender, "peer", OS_ANY_CPU);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	KUNIT_EXPECT_EQ(test, drain(connection, &sink, limit), 0L);
	os_thread_join(thread);
	KUNIT_EXPECT_EQ(test, sender.result, 0);
	KUNIT_EXPECT_EQ(test, sink.used, size);
	KUNIT_EXPECT_EQ(test, pattern_error(sink.data, sink.used, 0), -1L);
	kvfree(sink.data);
	kvfree(data);
	connection_close(connection);
}

static void read_gives_all_bytes_in_order(struct kunit *test)
{
	transfer(test, 0, 3000000, SIZE_MAX, 256 << 10);
	transfer(test, 1, 300000, SIZE_MAX, SIZE_MAX);
}

static void read_leaves_what_the_consumer_does_not_take(struct kunit *test)
{
	transfer(test, 0, 20000, 7, 64 << 10);
	transfer(test, 0, 200000, 1000, 64 << 10);
}

static void read_keeps_to_its_limit(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	size_t size = 20000;
	u8 *data = kunit_kmalloc(test, size, GFP_KERNEL);
	struct sink sink;
	long first;
	int more;

	KUNIT_ASSERT_NOT_NULL(test, data);
	transfer(test, 1, 100000, SIZE_MAX, 1);
	fill_pattern(data, size, 0);
	KUNIT_ASSERT_EQ(test, peer_send(connection->peer, data, size), 0);
	KUNIT_ASSERT_TRUE(test, watcher_saw(&connection->watcher, OS_SOCKET_READABLE));
	sink_init(test, &sink, size, SIZE_MAX);
	first = os_socket_read(connection->socket, sink_consume, &sink, 100, &more);
	KUNIT_EXPECT_GE(test, first, 100L);
	KUNIT_EXPECT_EQ(test, more, 1);
	KUNIT_EXPECT_EQ(test, drain(connection, &sink, 100), 0L);
	KUNIT_EXPECT_EQ(test, pattern_error(sink.data, sink.used, 0), -1L);
	kvfree(sink.data);
	connection_close(connection);
}

static void read_returns_zero_when_nothing_is_taken(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct sink sink;
	int more;

	sink_init(test, &sink, 5, 0);
	KUNIT_ASSERT_EQ(test, peer_send(connection->peer, "hello", 5), 0);
	KUNIT_ASSERT_TRUE(test, watcher_saw(&connection->watcher, OS_SOCKET_READABLE));
	KUNIT_EXPECT_EQ(test, os_socket_read(connection->socket, sink_consume, &sink, 100, NULL), 0L);
	KUNIT_EXPECT_EQ(test, os_socket_read(connection->socket, sink_consume, &sink, 100, &more), 0L);
	KUNIT_EXPECT_EQ(test, more, 1);
	sink.most = SIZE_MAX;
	KUNIT_EXPECT_EQ(test, os_socket_read(connection->socket, sink_consume, &sink, 100, &more), 5L);
	KUNIT_EXPECT_EQ(test, more, 0);
	KUNIT_EXPECT_EQ(test, memcmp(sink.data, "hello", 5), 0);
	kvfree(sink.data);
	connection_close(connection);
}

static void read_tells_empty_from_ended(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct sink sink;
	int more;

	sink_init(test, &sink, 100, SIZE_MAX);
	KUNIT_EXPECT_EQ(test, os_socket_read(connection->socket, sink_consume, &sink, 100, &more),
			(long)-EAGAIN);
	KUNIT_EXPECT_EQ(test, more, 0);
	KUNIT_ASSERT_EQ(test, peer_send(connection->peer, "last words", 10), 0);
	sock_release(connection->peer);
	connection->peer = NULL;
	KUNIT_EXPECT_TRUE(test, watcher_saw(&connection->watcher, OS_SOCKET_CLOSED));
	KUNIT_EXPECT_EQ(test, os_socket_read(connection->socket, sink_consume, &sink, 100, &more), 10L);
	KUNIT_EXPECT_EQ(test, more, 1);
	KUNIT_EXPECT_EQ(test, os_socket_read(connection->socket, sink_consume, &sink, 100, NULL),
			(long)-EPIPE);
	KUNIT_EXPECT_EQ(test, os_socket_read(connection->socket, sink_consume, &sink, 100, NULL),
			(long)-EPIPE);
	kvfree(sink.data);
	connection_close(connection);
}

static void read_reports_a_reset(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct sink sink;
	long result;

	sink_init(test, &sink, 100, SIZE_MAX);
	peer_reset(connection->peer);
	connection->peer = NULL;
	KUNIT_EXPECT_TRUE(test, watcher_saw(&connection->watcher, OS_SOCKET_CLOSED));
	result = os_socket_read(connection->socket, sink_consume, &sink, 100, NULL);
	KUNIT_EXPECT_TRUE(test, result == -ECONNRESET || result == -EPIPE);
	result = os_socket_read(connection->socket, sink_consume, &sink, 100, NULL);
	KUNIT_EXPECT_TRUE(test, result < 0 && result != -EAGAIN);
	kvfree(sink.data);
	connection_close(connection);
}

static void data_sent_before_accept_is_read_after_it(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct os_address address = loopback(0, TEST_PORT);
	struct os_socket *socket;
	struct socket *peer;
	struct sink sink;

	sink_init(test, &sink, 5, SIZE_MAX);
	KUNIT_ASSERT_EQ(test, peer_connect(&address, &peer), 0);
	KUNIT_ASSERT_EQ(test, peer_send(peer, "early", 5), 0);
	KUNIT_ASSERT_EQ(test,
			accept_within_limit(connection->listener, &connection->listener_watcher,
					    &socket),
			0);
	KUNIT_EXPECT_EQ(test, read_within_limit(socket, &sink), 5L);
	KUNIT_EXPECT_EQ(test, memcmp(sink.data, "early", 5), 0);
	sock_release(peer);
	os_socket_close(socket);
	kvfree(sink.data);
	connection_close(connection);
}

/* --- closing ---------------------------------------------------------------------------------- */

static void listener_may_close_before_its_connections(struct kunit *test)
{
	struct os_address address = loopback(0, TEST_PORT);
	struct watcher *listener_watcher = kzalloc(sizeof(*listener_watcher), GFP_KERNEL);
	struct os_socket *listener, *accepted;
	struct socket *peer, *waiting;
	struct watcher watcher;
	struct sink sink;
	u8 byte;

	KUNIT_ASSERT_NOT_NULL(test, listener_watcher);
	sink_init(test, &sink, 10, SIZE_MAX);
	watcher_init(test, listener_watcher);
	watcher_init(test, &watcher);
	KUNIT_ASSERT_EQ(test,
			os_socket_listen(&address, watcher_notify, listener_watcher, &listener), 0);
	KUNIT_ASSERT_EQ(test, peer_connect(&address, &peer), 0);
	KUNIT_ASSERT_EQ(test, accept_within_limit(listener, listener_watcher, &accepted), 0);
	KUNIT_ASSERT_EQ(test, peer_connect(&address, &waiting), 0);
	os_socket_close(listener);
	watcher_end(listener_watcher);
	kfree(listener_watcher);

	/* The accepted one has no callback yet; what arrives now must reach nobody. */
	KUNIT_EXPECT_EQ(test, peer_send(peer, "hello", 5), 0);
	KUNIT_EXPECT_EQ(test, read_within_limit(accepted, &sink), 5L);
	os_socket_set_notify(accepted, watcher_notify, &watcher);
	KUNIT_EXPECT_EQ(test, peer_send(peer, "world", 5), 0);
	KUNIT_EXPECT_TRUE(test, watcher_saw(&watcher, OS_SOCKET_READABLE));
	KUNIT_EXPECT_EQ(test, os_socket_read(accepted, sink_consume, &sink, 100, NULL), 5L);
	KUNIT_EXPECT_EQ(test, memcmp(sink.data, "helloworld", 10), 0);
	/* The one that nobody accepted has been refused. */
	KUNIT_EXPECT_LE(test, peer_receive(waiting, &byte, 1), 0L);

	sock_release(waiting);
	sock_release(peer);
	os_socket_close(accepted);
	watcher_end(&watcher);
	kvfree(sink.data);
}

static struct kunit_case socket_cases[] = {
	KUNIT_CASE(accept_takes_ipv4_connections),
	KUNIT_CASE(accept_takes_ipv6_connections),
	KUNIT_CASE(ipv6_listener_leaves_ipv4_alone),
	KUNIT_CASE(listen_refuses_an_address_in_use),
	KUNIT_CASE(listen_refuses_a_foreign_address),
	KUNIT_CASE(read_gives_all_bytes_in_order),
	KUNIT_CASE(read_leaves_what_the_consumer_does_not_take),
	KUNIT_CASE(read_keeps_to_its_limit),
	KUNIT_CASE(read_returns_zero_when_nothing_is_taken),
	KUNIT_CASE(read_tells_empty_from_ended),
	KUNIT_CASE(read_reports_a_reset),
	KUNIT_CASE(data_sent_before_accept_is_read_after_it),
	KUNIT_CASE(listener_may_close_before_its_connections),
	{}
};

struct kunit_suite socket_suite = {
	.name = "os_socket",
	.test_cases = socket_cases,
};
