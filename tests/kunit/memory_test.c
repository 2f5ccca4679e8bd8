// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of include/os/memory.h on Linux: zeroed and aligned memory of every size, allocation
 * in the contexts that the contract names, refusal without a warning, wiping and comparing secrets,
 * and page mappings. KASAN and the lock checks of the debug kernel are part of the oracle.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "os/memory.h"
#include "context.h"
#include "suites.h"

static const size_t sizes[] = {
	1, 15, 16, 17, 64, 100, 256, 1000, 4095, 4096, 4097, 8192, 12345,
	65536, 131072, 131073, 1 << 20, 4 << 20, (8 << 20) + 5,
};

static void os_alloc_returns_zeroed_aligned_memory(struct kunit *test)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *memory = os_alloc(sizes[i], OS_ALLOC_SLEEP);

		KUNIT_ASSERT_NOT_NULL_MSG(test, memory, "%zu bytes", sizes[i]);
		KUNIT_EXPECT_TRUE_MSG(test, IS_ALIGNED((unsigned long)memory, 16), "%zu bytes",
				      sizes[i]);
		KUNIT_EXPECT_PTR_EQ_MSG(test, memchr_inv(memory, 0, sizes[i]), NULL, "%zu bytes",
					sizes[i]);
		memset(memory, 0xa5, sizes[i]);
		os_free(memory);
	}
}

static void os_alloc_zeroes_recycled_memory(struct kunit *test)
{
	int round;

	for (round = 0; round < 200; round++) {
		size_t size = 32 << (round % 8);
		void *memory = os_alloc(size, OS_ALLOC_SLEEP);

		KUNIT_ASSERT_NOT_NULL(test, memory);
		KUNIT_ASSERT_PTR_EQ(test, memchr_inv(memory, 0, size), NULL);
		memset(memory, 0xff, size);
		os_free(memory);
	}
}

static void os_free_accepts_null(struct kunit *test)
{
	os_free(NULL);
}

static void os_alloc_refuses_impossible_sizes(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, os_alloc(SIZE_MAX, OS_ALLOC_SLEEP));
	KUNIT_EXPECT_NULL(test, os_alloc(SIZE_MAX - PAGE_SIZE, OS_ALLOC_SLEEP));
	KUNIT_EXPECT_NULL(test, os_alloc((size_t)1 << 40, OS_ALLOC_SLEEP));
	KUNIT_EXPECT_NULL(test, os_alloc(SIZE_MAX, OS_ALLOC_ATOMIC));
	KUNIT_EXPECT_NULL(test, os_alloc((size_t)1 << 30, OS_ALLOC_ATOMIC));
}

struct atomic_use {
	int successes;
	int dirty;
};

/* Allocates, checks and frees without ever sleeping. */
static void use_atomic_memory(void *argument)
{
	struct atomic_use *use = argument;
	size_t size;

	for (size = 1; size <= 8192; size *= 2) {
		unsigned char *memory = os_alloc(size, OS_ALLOC_ATOMIC);

		if (!memory)
			continue;
		use->successes++;
		use->dirty += memchr_inv(memory, 0, size) != NULL;
		os_wipe(memory, size);
		use->dirty += !os_equal_secret(memory, memory, size);
		os_free(memory);
	}
}

/*
 * The kernel's own spinlock and softirqs, but neither raw locks (os_spinlock is one) nor hard
 * interrupts: there the kernel's allocator may not be used on PREEMPT_RT, and lockdep says so.
 */
static DEFINE_SPINLOCK(test_lock);

static void os_alloc_works_under_a_spinlock(struct kunit *test)
{
	struct atomic_use use = {};
	unsigned long flags;

	spin_lock_irqsave(&test_lock, flags);
	use_atomic_memory(&use);
	spin_unlock_irqrestore(&test_lock, flags);
	KUNIT_EXPECT_EQ(test, use.successes, 14);
	KUNIT_EXPECT_EQ(test, use.dirty, 0);
}

static void os_alloc_works_in_softirq(struct kunit *test)
{
	struct atomic_use use = {};

	run_in_softirq(use_atomic_memory, &use);
	KUNIT_EXPECT_EQ(test, use.successes, 14);
	KUNIT_EXPECT_EQ(test, use.dirty, 0);
}

static void free_memory(void *argument)
{
	os_free(argument);
}

static void os_free_takes_any_memory_in_softirq(struct kunit *test)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *memory = os_alloc(sizes[i], OS_ALLOC_SLEEP);

		KUNIT_ASSERT_NOT_NULL(test, memory);
		run_in_softirq(free_memory, memory);
	}
}

static void os_wipe_leaves_no_byte(struct kunit *test)
{
	unsigned char buffer[70];

	memset(buffer, 0x5a, sizeof(buffer));
	os_wipe(buffer + 3, 64);
	KUNIT_EXPECT_EQ(test, buffer[2], 0x5a);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(buffer + 3, 0, 64), NULL);
	KUNIT_EXPECT_EQ(test, buffer[67], 0x5a);
	os_wipe(buffer, 0);
	KUNIT_EXPECT_EQ(test, buffer[0], 0x5a);
}

static void os_equal_secret_sees_each_byte(struct kunit *test)
{
	unsigned char a[37], b[37];
	size_t i;

	memset(a, 0x11, sizeof(a));
	memcpy(b, a, sizeof(b));
	KUNIT_EXPECT_EQ(test, os_equal_secret(a, b, sizeof(a)), 1);
	for (i = 0; i < sizeof(a); i++) {
		b[i] ^= i % 2 ? 0x80 : 0x01;
		KUNIT_EXPECT_EQ_MSG(test, os_equal_secret(a, b, sizeof(a)), 0, "byte %zu", i);
		KUNIT_EXPECT_EQ_MSG(test, os_equal_secret(a, b, i), 1, "the %zu before", i);
		b[i] = a[i];
	}
	KUNIT_EXPECT_EQ(test, os_equal_secret(a, b, 0), 1);
}

static void map_and_write(void *argument)
{
	struct page **pages = argument;
	unsigned char *first = os_page_map(pages[0]);
	unsigned char *second = os_page_map(pages[1]);

	memset(first, 0x12, PAGE_SIZE);
	memset(second, 0x34, PAGE_SIZE);
	os_page_unmap(second);
	os_page_unmap(first);
}

static void os_page_map_nests(struct kunit *test)
{
	struct page *pages[2] = { alloc_page(GFP_KERNEL), alloc_page(GFP_KERNEL) };

	KUNIT_ASSERT_TRUE(test, pages[0] && pages[1]);
	map_and_write(pages);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(page_address(pages[0]), 0x12, PAGE_SIZE), NULL);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(page_address(pages[1]), 0x34, PAGE_SIZE), NULL);
	clear_page(page_address(pages[0]));
	clear_page(page_address(pages[1]));
	run_in_softirq(map_and_write, pages);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(page_address(pages[0]), 0x12, PAGE_SIZE), NULL);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(page_address(pages[1]), 0x34, PAGE_SIZE), NULL);
	__free_page(pages[0]);
	__free_page(pages[1]);
}

static void os_page_nth_walks_a_contiguous_run(struct kunit *test)
{
	struct page *first = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_ZERO, 3);
	u32 n;

	KUNIT_ASSERT_NOT_NULL(test, first);
	KUNIT_EXPECT_EQ(test, (unsigned long)OS_PAGE_SIZE, PAGE_SIZE);
	for (n = 0; n < 8; n++) {
		unsigned char *mapped = os_page_map(os_page_nth(first, n));

		memset(mapped, n + 1, OS_PAGE_SIZE);
		os_page_unmap(mapped);
	}
	for (n = 0; n < 8; n++)
		KUNIT_EXPECT_PTR_EQ(test,
				    memchr_inv(page_address(first) + n * PAGE_SIZE, n + 1, PAGE_SIZE),
				    NULL);
	__free_pages(first, 3);
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(os_alloc_returns_zeroed_aligned_memory),
	KUNIT_CASE(os_alloc_zeroes_recycled_memory),
	KUNIT_CASE(os_free_accepts_null),
	KUNIT_CASE(os_alloc_refuses_impossible_sizes),
	KUNIT_CASE(os_alloc_works_under_a_spinlock),
	KUNIT_CASE(os_alloc_works_in_softirq),
	KUNIT_CASE(os_free_takes_any_memory_in_softirq),
	KUNIT_CASE(os_wipe_leaves_no_byte),
	KUNIT_CASE(os_equal_secret_sees_each_byte),
	KUNIT_CASE(os_page_map_nests),
	KUNIT_CASE(os_page_nth_walks_a_contiguous_run),
	{}
};

struct kunit_suite memory_suite = {
	.name = "os_memory",
	.test_cases = memory_cases,
};
