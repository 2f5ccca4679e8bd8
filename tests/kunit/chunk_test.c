// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the chunks of include/os/storage.h on Linux: what is given back is kept for the
 * next command, within a limit, and not while somebody else refers to it. KASAN and the page
 * allocator's checks in the debug kernel are part of the oracle.
 */
#include <kunit/test.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "context.h"
#include "suites.h"
#include "os/memory.h"
#include "os/storage.h"
#include "target/linux/storage.h"

static struct os_chunk take(struct kunit *test, u32 wanted)
{
	struct os_chunk chunk = {};

	KUNIT_ASSERT_EQ(test, os_chunk_alloc(wanted, &chunk), 0);
	return chunk;
}

static void sizes_are_whole_runs_of_pages(struct kunit *test)
{
	static const u32 wanted[] = { 1, OS_PAGE_SIZE, OS_PAGE_SIZE + 1, OS_CHUNK_MAX,
				      4 * OS_CHUNK_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct os_chunk chunk = take(test, wanted[i]);

		KUNIT_EXPECT_EQ(test, chunk.size % OS_PAGE_SIZE, 0u);
		KUNIT_EXPECT_GE(test, chunk.size, min_t(u32, wanted[i], OS_PAGE_SIZE));
		KUNIT_EXPECT_LE(test, chunk.size, OS_CHUNK_MAX);
		KUNIT_EXPECT_PTR_EQ(test, page_address(chunk.page), chunk.address);
		memset(chunk.address, 0xa5, chunk.size);
		os_chunk_free(chunk.address, chunk.size);
	}
}

static void the_next_command_gets_what_was_given_back(struct kunit *test)
{
	static const u32 wanted[] = { OS_PAGE_SIZE, OS_CHUNK_MAX };
	size_t i;

	migrate_disable();
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct os_chunk first = take(test, wanted[i]), second;
		struct page *other;

		os_chunk_free(first.address, first.size);
		/* The page allocator, too, likes to hand out what it got last. */
		other = alloc_pages(GFP_KERNEL | __GFP_COMP, get_order(first.size));
		KUNIT_EXPECT_PTR_NE(test, other, (struct page *)first.page);
		second = take(test, first.size);
		KUNIT_EXPECT_PTR_EQ(test, second.address, first.address);
		os_chunk_free(second.address, second.size);
		if (other)
			__free_pages(other, get_order(first.size));
	}
	migrate_enable();
}

/* A RAM disk takes the page of a write and gives its own. */
static void a_page_that_stays_comes_from_there_as_well(struct kunit *test)
{
	struct os_chunk first, second = {};
	struct page *other;

	migrate_disable();
	first = take(test, OS_PAGE_SIZE);
	os_chunk_free(first.address, first.size);
	other = alloc_page(GFP_KERNEL);
	KUNIT_EXPECT_PTR_NE(test, other, (struct page *)first.page);
	KUNIT_ASSERT_EQ(test, os_pages_alloc_kept(1, &second), 1u);
	KUNIT_EXPECT_PTR_EQ(test, second.address, first.address);
	os_chunk_free(second.address, second.size);
	if (other)
		__free_page(other);
	migrate_enable();
}

static void memory_that_somebody_refers_to_is_not_kept(struct kunit *test)
{
	struct os_chunk first, second;

	migrate_disable();
	first = take(test, OS_CHUNK_MAX);
	get_page(first.page);
	memset(first.address, 0x5a, first.size);
	os_chunk_free(first.address, first.size);
	second = take(test, OS_CHUNK_MAX);
	KUNIT_EXPECT_PTR_NE(test, second.address, first.address);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(first.address, 0x5a, first.size), NULL);
	put_page(first.page);
	os_chunk_free(second.address, second.size);
	migrate_enable();
}

/* More than is kept: takes 32 MiB in chunks of one size, and gives all of them back. */
static void flood(struct kunit *test, u32 wanted)
{
	const unsigned int count = SZ_32M / wanted;
	struct list_head *chunks = NULL;
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct os_chunk chunk = take(test, wanted);
		struct list_head *link = chunk.address;

		link->next = chunks;
		link->prev = (void *)(uintptr_t)chunk.size;
		chunks = link;
	}
	while (chunks) {
		struct list_head *next = chunks->next;

		os_chunk_free(chunks, (u32)(uintptr_t)chunks->prev);
		chunks = next;
	}
}

/* The rest goes back to the kernel, and nothing is lost. */
static void only_so_much_is_kept(struct kunit *test)
{
	const unsigned long before = global_zone_page_state(NR_FREE_PAGES);

	flood(test, OS_CHUNK_MAX);
	KUNIT_EXPECT_GE(test, global_zone_page_state(NR_FREE_PAGES) + 2048, before);
}

/* As when a RAM disk goes, page by page. */
static void small_ones_leave_room_for_large_ones(struct kunit *test)
{
	struct os_chunk large[8];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(large); i++)
		large[i] = take(test, OS_CHUNK_MAX);
	flood(test, OS_PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(large); i++)
		os_chunk_free(large[i].address, large[i].size);
	the_next_command_gets_what_was_given_back(test);
}

static void give_back(void *chunk)
{
	struct os_chunk *own = chunk;

	os_chunk_free(own->address, own->size);
}

static void softirqs_may_give_back(struct kunit *test)
{
	struct os_chunk chunk = take(test, OS_CHUNK_MAX);

	run_in_softirq(give_back, &chunk);
}

static int chunks_start(struct kunit_suite *suite)
{
	return storage_chunks_start();
}

static void chunks_stop(struct kunit_suite *suite)
{
	storage_chunks_stop();
}

static struct kunit_case chunk_cases[] = {
	KUNIT_CASE(sizes_are_whole_runs_of_pages),
	KUNIT_CASE(the_next_command_gets_what_was_given_back),
	KUNIT_CASE(a_page_that_stays_comes_from_there_as_well),
	KUNIT_CASE(memory_that_somebody_refers_to_is_not_kept),
	KUNIT_CASE(small_ones_leave_room_for_large_ones),
	KUNIT_CASE(only_so_much_is_kept),
	KUNIT_CASE(softirqs_may_give_back),
	{}
};

struct kunit_suite chunk_suite = {
	.name = "os_chunk",
	.suite_init = chunks_start,
	.suite_exit = chunks_stop,
	.test_cases = chunk_cases,
};
