// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the races around a socket's callback: removing it, closing the socket, and closing
 * the listener while the peer keeps the network busy. Contexts are freed the moment the contract
 * allows it, so that KASAN sees a late call; a call with the wrong context is counted.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/slab.h>

#include "fixture.h"
#include "suites.h"

#define ROUNDS 100

/**
 * struct storm - a thread of the peer that sends single bytes until it is told to stop.
 * @peer: its socket
 * @stop: set by the test
 * @sent: bytes sent
 */
struct storm {
	struct os_thread *thread;
	struct socket *peer;
	bool stop;
	size_t sent;
};

static void storm_run(void *argument)
{
	struct storm *storm = argument;

	while (!READ_ONCE(storm->stop) && peer_send(storm->peer, "x", 1) == 0) {
		storm->sent++;
		if (storm->sent % 8 == 0)
			usleep_range(50, 100);
		os_relax();
	}
}

static void storm_start(struct kunit *test, struct storm *storm, struct socket *peer)
{
	memset(storm, 0, sizeof(*storm));
	storm->peer = peer;
	storm->thread = os_thread_start(storm_run, storm, "storm", OS_ANY_CPU);
	KUNIT_ASSERT_NOT_NULL(test, storm->thread);
}

static void storm_end(struct storm *storm)
{
	WRITE_ONCE(storm->stop, true);
	os_thread_join(storm->thread);
}

/**
 * struct mortal - a callback context that is freed as early as possible.
 * @dead: set when no call may come any more
 * @late: where calls after that are counted
 */
struct mortal {
	bool dead;
	atomic_t *late;
	atomic_t *calls;
};

static void mortal_notify(void *context, unsigned int events)
{
	struct mortal *mortal = context;

	atomic_inc(mortal->calls);
	if (READ_ONCE(mortal->dead))
		atomic_inc(mortal->late);
}

static struct mortal *mortal_create(struct kunit *test, atomic_t *calls, atomic_t *late)
{
	struct mortal *mortal = kzalloc(sizeof(*mortal), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mortal);
	mortal->calls = calls;
	mortal->late = late;
	return mortal;
}

static void mortal_end(struct mortal *mortal)
{
	WRITE_ONCE(mortal->dead, true);
	kfree(mortal);
}

static size_t discard(void *context, const u8 *data, size_t size)
{
	return size;
}

static void a_replaced_callback_never_runs_again(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	atomic_t calls = ATOMIC_INIT(0), late = ATOMIC_INIT(0);
	struct storm storm;
	int round;

	storm_start(test, &storm, connection->peer);
	for (round = 0; round < 3 * ROUNDS; round++) {
		struct mortal *mortal = mortal_create(test, &calls, &late);

		os_socket_set_notify(connection->socket, mortal_notify, mortal);
		usleep_range(100, 500);
		os_socket_read(connection->socket, discard, NULL, SIZE_MAX, NULL);
		os_socket_set_notify(connection->socket, NULL, NULL);
		mortal_end(mortal);
	}
	storm_end(&storm);
	KUNIT_EXPECT_EQ(test, atomic_read(&late), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&calls), 0);
	KUNIT_EXPECT_GT(test, storm.sent, (size_t)0);
	connection_close(connection);
}

static void no_callback_runs_after_a_close(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct os_address address = loopback(0, TEST_PORT);
	atomic_t calls = ATOMIC_INIT(0), late = ATOMIC_INIT(0);
	int round;

	for (round = 0; round < ROUNDS; round++) {
		struct mortal *mortal = mortal_create(test, &calls, &late);
		struct os_socket *socket;
		struct storm storm;
		struct socket *peer;

		KUNIT_ASSERT_EQ(test, peer_connect(&address, &peer), 0);
		KUNIT_ASSERT_EQ(test,
				accept_within_limit(connection->listener,
						    &connection->listener_watcher, &socket),
				0);
		os_socket_set_notify(socket, mortal_notify, mortal);
		storm_start(test, &storm, peer);
		usleep_range(100, 1000);
		if (round % 3 == 0)
			os_socket_abort(socket);
		os_socket_close(socket);
		mortal_end(mortal);
		storm_end(&storm);
		sock_release(peer);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&late), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&calls), 0);
	connection_close(connection);
}

/**
 * struct churn - a thread of the peer that connects and leaves again, in every way.
 * @address: of the listener
 * @connected: how often that worked
 */
struct churn {
	struct os_address address;
	int connected;
};

static void churn_run(void *argument)
{
	struct churn *churn = argument;
	int round;

	for (round = 0; round < 2 * ROUNDS; round++) {
		struct socket *peer;

		if (peer_connect(&churn->address, &peer))
			continue;
		churn->connected++;
		if (round % 2)
			peer_send(peer, "some bytes", 10);
		if (round % 3)
			peer_reset(peer);
		else
			sock_release(peer);
		os_relax();
	}
}

/* Accepts whatever is there; peers may have gone already. Returns how many were accepted. */
static int accept_all(struct connection *connection)
{
	struct os_socket *socket;
	int accepted = 0;

	while (os_socket_accept(connection->listener, &socket) == 0) {
		os_socket_set_notify(socket, watcher_notify, &connection->watcher);
		os_socket_read(socket, discard, NULL, SIZE_MAX, NULL);
		os_socket_close(socket);
		accepted++;
	}
	return accepted;
}

static void accept_survives_peers_that_leave(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct churn churn = { .address = loopback(0, TEST_PORT) };
	struct os_thread *thread = os_thread_start(churn_run, &churn, "churn", OS_ANY_CPU);
	int accepted = 0, idle;

	KUNIT_ASSERT_NOT_NULL(test, thread);
	for (idle = 0; idle < 20; idle++) {
		int more = accept_all(connection);

		accepted += more;
		if (more)
			idle = 0;
		os_event_wait(connection->listener_watcher.happened, 10);
	}
	os_thread_join(thread);
	accepted += accept_all(connection);
	KUNIT_EXPECT_EQ(test, churn.connected, 2 * ROUNDS);
	/* A connection that was reset early may have left the queue by itself. */
	KUNIT_EXPECT_GT(test, accepted, 0);
	KUNIT_EXPECT_LE(test, accepted, 2 * ROUNDS);
	connection_close(connection);
}

static void a_listener_may_close_while_peers_arrive(struct kunit *test)
{
	struct os_address address = loopback(0, TEST_PORT);
	atomic_t calls = ATOMIC_INIT(0), late = ATOMIC_INIT(0);
	struct churn churn = { .address = address };
	struct os_thread *thread = os_thread_start(churn_run, &churn, "churn", OS_ANY_CPU);
	int round;

	KUNIT_ASSERT_NOT_NULL(test, thread);
	for (round = 0; round < ROUNDS / 2; round++) {
		struct mortal *mortal = mortal_create(test, &calls, &late);
		struct os_socket *listener;

		KUNIT_ASSERT_EQ(test,
				os_socket_listen(&address, mortal_notify, mortal, &listener), 0);
		usleep_range(100, 1000);
		os_socket_close(listener);
		mortal_end(mortal);
	}
	os_thread_join(thread);
	KUNIT_EXPECT_EQ(test, atomic_read(&late), 0);
}

static void a_peer_may_leave_while_we_send(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct os_address address = loopback(0, TEST_PORT);
	struct os_fragment fragment = { .address = "some bytes to send", .length = 18 };
	int round, errors = 0;

	for (round = 0; round < ROUNDS; round++) {
		struct os_socket *socket;
		struct socket *peer;
		long result;

		KUNIT_ASSERT_EQ(test, peer_connect(&address, &peer), 0);
		KUNIT_ASSERT_EQ(test,
				accept_within_limit(connection->listener,
						    &connection->listener_watcher, &socket),
				0);
		KUNIT_EXPECT_EQ(test, os_socket_send(socket, &fragment, 1, 0, 0, NULL), 18L);
		if (round % 2)
			peer_reset(peer);
		else
			sock_release(peer);
		do {
			result = os_socket_send(socket, &fragment, 1, 0, 0, NULL);
			usleep_range(1000, 2000);
		} while (result > 0);
		errors += result == -EPIPE || result == -ECONNRESET;
		os_socket_close(socket);
	}
	KUNIT_EXPECT_EQ(test, errors, ROUNDS);
	connection_close(connection);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(a_replaced_callback_never_runs_again),
	KUNIT_CASE(no_callback_runs_after_a_close),
	KUNIT_CASE(accept_survives_peers_that_leave),
	KUNIT_CASE(a_listener_may_close_while_peers_arrive),
	KUNIT_CASE(a_peer_may_leave_while_we_send),
	{}
};

struct kunit_suite race_suite = {
	.name = "os_socket_race",
	.test_cases = race_cases,
};
