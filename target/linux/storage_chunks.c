// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for the data of commands: the chunks of include/os/storage.h.
 *
 * A chunk is a run of pages. Each processor keeps some of those that were given back to it for the
 * next command, as they are: the page allocator may clear what it hands out, and a large run takes
 * its lock. The last of memory is a small reserve, so that somebody always gets on. Called by the
 * built-in LUN classes, in any context where the contract says so.
 */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sizes.h>
#include <linux/topology.h>

#include "target/linux/glue.h"
#include "target/linux/storage.h"

#define RESERVED_PAGES 256
#define PAGES_AT_ONCE 16u
#define ORDERS (const_ilog2(OS_CHUNK_MAX / PAGE_SIZE) + 1)

/*
 * Of each order: all processors together keep at most so small a part of memory, and one no more
 * than that. Pages that come back one by one, from a RAM disk say, leave the large runs their room.
 */
#define KEPT_PART 1024
#define KEPT_MAX SZ_4M

/**
 * struct shelf - chunks that a processor keeps. Its interrupts are off while they are touched.
 * @chunks: by their order, linked by page->lru of the first page
 * @bytes: in them, by their order
 */
struct shelf {
	struct list_head chunks[ORDERS];
	u64 bytes[ORDERS];
};

static DEFINE_PER_CPU(struct shelf, shelves);
static u64 shelf_limit;
static mempool_t *reserve;

int storage_chunks_start(void)
{
	unsigned int cpu, order;
	u64 memory = (u64)totalram_pages() << PAGE_SHIFT;

	for_each_possible_cpu(cpu)
		for (order = 0; order < ORDERS; order++)
			INIT_LIST_HEAD(&per_cpu(shelves, cpu).chunks[order]);
	shelf_limit = min_t(u64, memory / KEPT_PART / num_possible_cpus(), KEPT_MAX);
	reserve = mempool_create_page_pool(RESERVED_PAGES, 0);
	return reserve ? 0 : -ENOMEM;
}

static void clear_shelf(struct shelf *shelf)
{
	struct page *page, *next;
	unsigned int order;

	for (order = 0; order < ORDERS; order++)
		list_for_each_entry_safe(page, next, &shelf->chunks[order], lru)
			__free_pages(page, order);
}

void storage_chunks_stop(void)
{
	unsigned int cpu;

	if (!reserve)
		return;
	for_each_possible_cpu(cpu)
		clear_shelf(&per_cpu(shelves, cpu));
	mempool_destroy(reserve);
}

static unsigned int take_kept(unsigned int order, unsigned int wanted, struct page **pages)
{
	struct shelf *shelf;
	unsigned long flags;
	unsigned int count;

	local_irq_save(flags);
	shelf = this_cpu_ptr(&shelves);
	for (count = 0; count < wanted && !list_empty(&shelf->chunks[order]); count++) {
		pages[count] = list_first_entry(&shelf->chunks[order], struct page, lru);
		list_del(&pages[count]->lru);
	}
	shelf->bytes[order] -= (u64)count * (PAGE_SIZE << order);
	local_irq_restore(flags);
	return count;
}

/* Whether the next command may have it: nobody else refers to it, and it is near. */
static bool is_ours_alone(struct page *page)
{
	return page_count(page) == 1 && page_to_nid(page) == numa_mem_id();
}

/* Those that are not kept come to the front of @pages; returns how many. */
static unsigned int keep(struct page **pages, unsigned int count, unsigned int order)
{
	unsigned int i, left = 0;
	struct shelf *shelf;
	unsigned long flags;

	local_irq_save(flags);
	shelf = this_cpu_ptr(&shelves);
	for (i = 0; i < count; i++) {
		if (!is_ours_alone(pages[i]) ||
		    shelf->bytes[order] + (PAGE_SIZE << order) > shelf_limit) {
			pages[left++] = pages[i];
			continue;
		}
		list_add(&pages[i]->lru, &shelf->chunks[order]);
		shelf->bytes[order] += PAGE_SIZE << order;
	}
	local_irq_restore(flags);
	return left;
}

/* A large run only when it is at hand. */
static struct page *take_pages(unsigned int *order)
{
	struct page *page = NULL;

	if (!take_kept(*order, 1, &page) && *order)
		page = alloc_pages(GFP_NOWAIT | __GFP_NOWARN | __GFP_COMP, *order);
	if (page)
		return page;
	if (*order) {
		*order = 0;
		take_kept(0, 1, &page);
	}
	if (!page)
		page = alloc_page(GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY);
	return page ? page : mempool_alloc(reserve, GFP_NOWAIT | __GFP_NOWARN);
}

static void fill_chunk(struct os_chunk *chunk, struct page *page, unsigned int order)
{
	chunk->page = page;
	chunk->address = page_address(page);
	chunk->size = PAGE_SIZE << order;
}

int os_chunk_alloc(u32 wanted, struct os_chunk *chunk)
{
	unsigned int order = get_order(min_t(u32, wanted, OS_CHUNK_MAX));
	struct page *page = take_pages(&order);

	if (!page)
		return -ENOMEM;
	fill_chunk(chunk, page, order);
	return 0;
}

/* Whatever came from the reserve and stayed would be missing there until the end. */
static unsigned int take_to_keep(unsigned int wanted, struct page **pages)
{
	unsigned int count = take_kept(0, wanted, pages);

	for (; count < wanted; count++) {
		pages[count] = alloc_page(GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY);
		if (!pages[count])
			break;
	}
	return count;
}

u32 os_pages_alloc_kept(u32 count, struct os_chunk *chunks)
{
	struct page *pages[PAGES_AT_ONCE];
	u32 done = 0;

	while (done < count) {
		const u32 wanted = min_t(u32, count - done, PAGES_AT_ONCE);
		const u32 got = take_to_keep(wanted, pages);
		u32 i;

		for (i = 0; i < got; i++)
			fill_chunk(&chunks[done++], pages[i], 0);
		if (got < wanted)
			break;
	}
	return done;
}

/* The reserve comes first: it is for all processors. */
static void give_back(struct page **pages, unsigned int count, unsigned int order)
{
	unsigned int i;

	if (READ_ONCE(reserve->curr_nr) == reserve->min_nr)
		count = keep(pages, count, order);
	for (i = 0; i < count; i++) {
		if (order)
			__free_pages(pages[i], order);
		else
			mempool_free(pages[i], reserve);
	}
}

void os_chunk_free(void *address, u32 size)
{
	struct page *page = virt_to_page(address);

	give_back(&page, 1, get_order(size));
}

void os_pages_free(void *const *addresses, u32 count)
{
	struct page *pages[PAGES_AT_ONCE];

	while (count) {
		const u32 part = min_t(u32, count, PAGES_AT_ONCE);
		u32 i;

		for (i = 0; i < part; i++)
			pages[i] = virt_to_page(addresses[i]);
		give_back(pages, part, 0);
		addresses += part;
		count -= part;
	}
}

u64 os_chunk_limit(void)
{
	return ((u64)totalram_pages() << PAGE_SHIFT) / 4;
}
