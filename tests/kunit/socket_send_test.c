// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of include/os/socket.h on Linux, over loop-back: sending gathered lists of all kinds
 * of memory, full and broken connections, release notices, and what a close does to data that was
 * accepted. The peer is a plain kernel socket (peer.h). tests/kunit/run loads the module once with
 * zero_copy=2, so that the same tests also see packets that refer to pages.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/sock.h>

#include "fixture.h"
#include "suites.h"

struct receiver {
	struct socket *peer;
	u8 *data;
	size_t size;
	size_t received;
};

static void receive_all(void *argument)
{
	struct receiver *receiver = argument;

	receiver->received = peer_receive_all(receiver->peer, receiver->data, receiver->size);
}

/* Sends a whole list, waiting for room; returns 0 or what ended it. */
static long send_list(struct connection *connection, const struct os_fragment *fragments,
		      size_t count, size_t size, struct os_send_notice *notice)
{
	size_t sent = 0;

	while (sent < size) {
		unsigned int flags = sent % 2 ? OS_SEND_MORE : 0;
		long result = os_socket_send(connection->socket, fragments, count, sent, flags,
					     notice);

		if (result > 0)
			sent += result;
		else if (result != -EAGAIN)
			return result ?: -EBADMSG;
		else if (!os_event_wait(connection->watcher.happened, PEER_LIMIT_MS))
			return -ETIMEDOUT;
	}
	return sent == size ? 0 : -EBADMSG;
}

#define LIST_LENGTH 300
#define PIECE_ROOM 8192

static const u8 constant_piece[64] = "a piece of the module's constants";

/**
 * struct send_material - memory of every kind, and a list that refers to it.
 * @pages: a compound of four pages
 * @slab: from kmalloc
 * @mapped: from vmalloc
 * @fragments: the list
 * @size: its bytes
 * @expected: the same bytes, gathered
 */
struct send_material {
	struct page *pages;
	u8 *slab;
	u8 *mapped;
	struct os_fragment *fragments;
	size_t size;
	u8 *expected;
};

static void material_add(struct send_material *material, size_t index)
{
	struct os_fragment *fragment = &material->fragments[index];
	u32 offset = index * 37 % 4096, length = 1 + index * index * 13 % 4000;
	const u8 *from = NULL;

	switch (index % 5) {
	case 0:
		fragment->page = material->pages;
		offset *= 2;
		from = page_address(material->pages);
		break;
	case 1:
		from = material->slab;
		break;
	case 2:
		from = material->mapped;
		break;
	case 3:
		from = constant_piece;
		offset = index % 8;
		length = 1 + index % 50;
		break;
	default:
		from = material->slab;
		length = index % 3 ? 48 : 0;
		break;
	}
	if (!fragment->page)
		fragment->address = from;
	fragment->offset = offset;
	fragment->length = length;
	memcpy(material->expected + material->size, from + offset, length);
	material->size += length;
}

static void material_init(struct kunit *test, struct send_material *material)
{
	size_t i;

	memset(material, 0, sizeof(*material));
	material->pages = alloc_pages(GFP_KERNEL | __GFP_COMP, 2);
	material->slab = kmalloc(PIECE_ROOM, GFP_KERNEL);
	material->mapped = vmalloc(PIECE_ROOM);
	material->fragments = kcalloc(LIST_LENGTH, sizeof(*material->fragments), GFP_KERNEL);
	material->expected = vmalloc(LIST_LENGTH * 4096);
	KUNIT_ASSERT_TRUE(test, material->pages && material->slab && material->mapped &&
				material->fragments && material->expected);
	fill_pattern(page_address(material->pages), 4 * PAGE_SIZE, 1);
	fill_pattern(material->slab, PIECE_ROOM, 100000);
	fill_pattern(material->mapped, PIECE_ROOM, 200000);
	for (i = 0; i < LIST_LENGTH; i++)
		material_add(material, i);
}

static void material_free(struct send_material *material)
{
	__free_pages(material->pages, 2);
	kfree(material->slab);
	vfree(material->mapped);
	kfree(material->fragments);
	vfree(material->expected);
}

static void send_gathers_memory_of_every_kind(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct receiver receiver = { .peer = connection->peer };
	struct send_material material;
	struct os_thread *thread;

	material_init(test, &material);
	receiver.size = material.size;
	receiver.data = vmalloc(material.size);
	KUNIT_ASSERT_NOT_NULL(test, receiver.data);
	thread = os_thread_start(receive_all, &receiver, "peer", OS_ANY_CPU);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	KUNIT_EXPECT_EQ(test,
			send_list(connection, material.fragments, LIST_LENGTH, material.size, NULL),
			0L);
	/* Without a notice everything has been copied. */
	memset(material.slab, 0, PIECE_ROOM);
	memset(material.mapped, 0, PIECE_ROOM);
	memset(page_address(material.pages), 0, 4 * PAGE_SIZE);
	os_thread_join(thread);
	KUNIT_EXPECT_EQ(test, receiver.received, material.size);
	KUNIT_EXPECT_EQ(test, memcmp(receiver.data, material.expected, receiver.received), 0);
	vfree(receiver.data);
	material_free(&material);
	connection_close(connection);
}

/* Every value of `skip` sends the rest of the list, and nothing else. */
static void send_skips_what_was_accepted(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct os_fragment list[] = {
		{ .address = constant_piece, .offset = 2, .length = 5 },
		{ .address = constant_piece, .length = 0 },
		{ .address = constant_piece, .offset = 11, .length = 1 },
		{ .address = constant_piece, .offset = 17, .length = 6 },
	};
	u8 expected[12], received[12];
	size_t skip;

	memcpy(expected, constant_piece + 2, 5);
	memcpy(expected + 5, constant_piece + 11, 1);
	memcpy(expected + 6, constant_piece + 17, 6);
	for (skip = 0; skip < 12; skip++) {
		KUNIT_ASSERT_EQ(test,
				os_socket_send(connection->socket, list, ARRAY_SIZE(list), skip, 0,
					       NULL),
				(long)(12 - skip));
		KUNIT_ASSERT_EQ(test, peer_receive_all(connection->peer, received, 12 - skip),
				12 - skip);
		KUNIT_EXPECT_EQ(test, memcmp(received, expected + skip, 12 - skip), 0);
	}
	connection_close(connection);
}

static void send_stops_when_full_and_goes_on_when_told(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct receiver receiver = { .peer = connection->peer };
	size_t size = 16 << 20, sent = 0;
	u8 *data = vmalloc(size);
	struct os_fragment fragment = { .address = data, .length = size };
	struct os_thread *thread;
	long result;

	KUNIT_ASSERT_NOT_NULL(test, data);
	fill_pattern(data, size, 0);
	do {
		result = os_socket_send(connection->socket, &fragment, 1, sent, 0, NULL);
		sent += result > 0 ? result : 0;
	} while (result > 0);
	KUNIT_EXPECT_EQ(test, result, (long)-EAGAIN);
	KUNIT_ASSERT_LT(test, sent, size);
	KUNIT_EXPECT_EQ(test, os_socket_send(connection->socket, &fragment, 1, sent, 0, NULL),
			(long)-EAGAIN);
	atomic_set(&connection->watcher.events, 0);
	/* Just what has been accepted, so that only the report can make the sender go on. */
	receiver.size = sent;
	receiver.data = vmalloc(sent);
	KUNIT_ASSERT_NOT_NULL(test, receiver.data);
	thread = os_thread_start(receive_all, &receiver, "peer", OS_ANY_CPU);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	KUNIT_EXPECT_TRUE(test, watcher_saw(&connection->watcher, OS_SOCKET_WRITABLE));
	os_thread_join(thread);
	KUNIT_EXPECT_EQ(test, receiver.received, sent);
	KUNIT_EXPECT_EQ(test, pattern_error(receiver.data, receiver.received, 0), -1L);
	KUNIT_EXPECT_GT(test, os_socket_send(connection->socket, &fragment, 1, sent, 0, NULL), 0L);
	vfree(receiver.data);
	connection_close(connection);
	vfree(data);
}

static void send_fails_after_a_reset(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct os_fragment fragment = { .address = constant_piece, .length = 10 };
	long result;

	peer_reset(connection->peer);
	connection->peer = NULL;
	KUNIT_EXPECT_TRUE(test, watcher_saw(&connection->watcher, OS_SOCKET_CLOSED));
	result = os_socket_send(connection->socket, &fragment, 1, 0, 0, NULL);
	KUNIT_EXPECT_TRUE(test, result == -ECONNRESET || result == -EPIPE);
	connection_close(connection);
}

/* --- release notices -------------------------------------------------------------------------- */

struct counted_notice {
	struct os_send_notice notice;
	struct os_event *released;
	atomic_t releases;
};

static void count_release(struct os_send_notice *notice)
{
	struct counted_notice *counted = container_of(notice, struct counted_notice, notice);

	atomic_inc(&counted->releases);
	os_event_signal(counted->released);
}

static void notice_init(struct kunit *test, struct counted_notice *counted)
{
	atomic_set(&counted->releases, 0);
	counted->released = os_event_create();
	KUNIT_ASSERT_NOT_NULL(test, counted->released);
	os_send_notice_init(&counted->notice, count_release);
}

/* The release must come, and come once. */
static void notice_expect_release(struct kunit *test, struct counted_notice *counted)
{
	KUNIT_EXPECT_EQ(test, os_event_wait(counted->released, PEER_LIMIT_MS), 1);
	KUNIT_EXPECT_EQ(test, os_event_wait(counted->released, 20), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&counted->releases), 1);
	os_event_destroy(counted->released);
}

static void notice_without_a_send_is_released_by_its_user(struct kunit *test)
{
	struct counted_notice counted;

	notice_init(test, &counted);
	KUNIT_EXPECT_EQ(test, atomic_read(&counted.releases), 0);
	os_send_notice_put(&counted.notice);
	KUNIT_EXPECT_EQ(test, atomic_read(&counted.releases), 1);
	notice_expect_release(test, &counted);
}

#define PAGES 256

struct page_list {
	struct page *pages[PAGES];
	struct os_fragment fragments[PAGES];
};

static struct page_list *page_list_alloc(struct kunit *test)
{
	struct page_list *list = kunit_kzalloc(test, sizeof(*list), GFP_KERNEL);
	size_t i;

	KUNIT_ASSERT_NOT_NULL(test, list);
	for (i = 0; i < PAGES; i++) {
		list->pages[i] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, list->pages[i]);
		fill_pattern(page_address(list->pages[i]), PAGE_SIZE, i * PAGE_SIZE);
		list->fragments[i].page = list->pages[i];
		list->fragments[i].length = PAGE_SIZE;
	}
	return list;
}

/* Overwrites before it frees: a packet that still refers to a page then shows. */
static void page_list_free(struct page_list *list)
{
	size_t i;

	for (i = 0; i < PAGES; i++) {
		memset(page_address(list->pages[i]), 0xdd, PAGE_SIZE);
		__free_page(list->pages[i]);
	}
}

static void notice_is_released_when_the_peer_has_the_data(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct receiver receiver = { .peer = connection->peer, .size = PAGES * PAGE_SIZE };
	struct page_list *list = page_list_alloc(test);
	struct counted_notice counted;
	struct os_thread *thread;

	receiver.data = vmalloc(receiver.size);
	KUNIT_ASSERT_NOT_NULL(test, receiver.data);
	notice_init(test, &counted);
	thread = os_thread_start(receive_all, &receiver, "peer", OS_ANY_CPU);
	KUNIT_ASSERT_NOT_NULL(test, thread);
	KUNIT_EXPECT_EQ(test,
			send_list(connection, list->fragments, PAGES, PAGES * PAGE_SIZE,
				  &counted.notice),
			0L);
	os_thread_join(thread);
	/* The user has not given up its reference yet. */
	KUNIT_EXPECT_EQ(test, atomic_read(&counted.releases), 0);
	os_send_notice_put(&counted.notice);
	notice_expect_release(test, &counted);
	page_list_free(list);
	KUNIT_EXPECT_EQ(test, receiver.received, receiver.size);
	KUNIT_EXPECT_EQ(test, pattern_error(receiver.data, receiver.received, 0), -1L);
	vfree(receiver.data);
	connection_close(connection);
}

/* What has been released may be overwritten, even when the peer reads only afterwards. */
static void released_memory_is_free_for_other_use(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct page_list *list = page_list_alloc(test);
	size_t size = 4 * PAGE_SIZE;
	struct counted_notice counted;
	u8 *data = vmalloc(size);

	KUNIT_ASSERT_NOT_NULL(test, data);
	notice_init(test, &counted);
	KUNIT_EXPECT_EQ(test, send_list(connection, list->fragments, 4, size, &counted.notice), 0L);
	os_send_notice_put(&counted.notice);
	/* On loop-back the packets are copied on arrival, so the release needs no reader. */
	notice_expect_release(test, &counted);
	page_list_free(list);
	KUNIT_EXPECT_EQ(test, peer_receive_all(connection->peer, data, size), size);
	KUNIT_EXPECT_EQ(test, pattern_error(data, size, 0), -1L);
	vfree(data);
	connection_close(connection);
}

/* Until it takes no more: some of it is still in our send queue. */
static void fill_connection(struct kunit *test, struct connection *connection,
			    struct page_list *list, struct counted_notice *counted)
{
	size_t sent = 0;
	long result;

	do {
		result = os_socket_send(connection->socket, list->fragments, PAGES,
					sent % PAGE_SIZE, 0, &counted->notice);
		sent += result > 0 ? result : 0;
	} while (result > 0 && sent < 64 << 20);
	KUNIT_EXPECT_EQ(test, result, (long)-EAGAIN);
}

static void notices_are_released_when_the_connection_breaks(struct kunit *test)
{
	int who;

	for (who = 0; who < 3; who++) {
		struct connection *connection = connection_open(test, 0);
		struct page_list *list = page_list_alloc(test);
		struct counted_notice counted;

		notice_init(test, &counted);
		fill_connection(test, connection, list, &counted);
		os_send_notice_put(&counted.notice);
		if (who == 0) {
			os_socket_abort(connection->socket);
			os_socket_close(connection->socket);
			connection->socket = NULL;
		} else if (who == 1) {
			peer_reset(connection->peer);
			connection->peer = NULL;
		} else {
			sock_release(connection->peer);
			connection->peer = NULL;
		}
		notice_expect_release(test, &counted);
		page_list_free(list);
		connection_close(connection);
	}
}

/* --- closing ---------------------------------------------------------------------------------- */

static void close_delivers_what_was_accepted(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	struct os_fragment fragment = { .length = 100000 };
	u8 *data = vmalloc(fragment.length + 1);

	KUNIT_ASSERT_NOT_NULL(test, data);
	fill_pattern(data, fragment.length, 0);
	fragment.address = data;
	/* Unread input must not turn the close into a reset. */
	KUNIT_ASSERT_EQ(test, peer_send(connection->peer, "unread", 6), 0);
	KUNIT_ASSERT_TRUE(test, watcher_saw(&connection->watcher, OS_SOCKET_READABLE));
	KUNIT_EXPECT_EQ(test, send_list(connection, &fragment, 1, fragment.length, NULL), 0L);
	os_socket_close(connection->socket);
	connection->socket = NULL;
	memset(data, 0, fragment.length);
	KUNIT_EXPECT_EQ(test, peer_receive_all(connection->peer, data, fragment.length + 1),
			(size_t)fragment.length);
	KUNIT_EXPECT_EQ(test, pattern_error(data, fragment.length, 0), -1L);
	vfree(data);
	connection_close(connection);
}

/*
 * A peer that takes a little now and then: what it has not taken at the limit it does not get. Its
 * buffer is small, so that each little lets some more through and TCP's own limit never comes.
 */
static void close_ends_though_the_peer_reads_slowly(struct kunit *test)
{
	enum { LIMIT_MS = 45000, PACE_MS = 250, PART = 8192, ROOM = 64 << 10 };
	struct connection *connection = connection_open(test, 0);
	struct page_list *list = page_list_alloc(test);
	struct counted_notice counted;
	u8 *part = kunit_kmalloc(test, PART, GFP_KERNEL);
	unsigned int waited;

	KUNIT_ASSERT_NOT_NULL(test, part);
	sock_set_rcvbuf(connection->peer->sk, ROOM);
	notice_init(test, &counted);
	fill_connection(test, connection, list, &counted);
	os_send_notice_put(&counted.notice);
	os_socket_close(connection->socket);
	connection->socket = NULL;
	for (waited = 0; waited < LIMIT_MS && !atomic_read(&counted.releases); waited += PACE_MS) {
		KUNIT_ASSERT_GT(test, peer_receive(connection->peer, part, PART), 0L);
		msleep(PACE_MS);
	}
	kunit_info(test, "waited %u ms", waited);
	notice_expect_release(test, &counted);
	page_list_free(list);
	connection_close(connection);
}

static void abort_resets_the_connection(struct kunit *test)
{
	struct connection *connection = connection_open(test, 0);
	u8 byte;

	os_socket_abort(connection->socket);
	os_socket_close(connection->socket);
	connection->socket = NULL;
	KUNIT_EXPECT_EQ(test, peer_receive(connection->peer, &byte, 1), (long)-ECONNRESET);
	connection_close(connection);
}

static struct kunit_case send_cases[] = {
	KUNIT_CASE(send_gathers_memory_of_every_kind),
	KUNIT_CASE(send_skips_what_was_accepted),
	KUNIT_CASE(send_stops_when_full_and_goes_on_when_told),
	KUNIT_CASE(send_fails_after_a_reset),
	KUNIT_CASE(notice_without_a_send_is_released_by_its_user),
	KUNIT_CASE(notice_is_released_when_the_peer_has_the_data),
	KUNIT_CASE(released_memory_is_free_for_other_use),
	KUNIT_CASE(notices_are_released_when_the_connection_breaks),
	KUNIT_CASE(close_delivers_what_was_accepted),
	KUNIT_CASE(close_ends_though_the_peer_reads_slowly),
	KUNIT_CASE(abort_resets_the_connection),
	{}
};

struct kunit_suite send_suite = {
	.name = "os_socket_send",
	.test_cases = send_cases,
};
