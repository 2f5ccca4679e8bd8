// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the kernel for the engine: implements include/os/memory.h.
 *
 * Called by the engine on any thread and, where the contract says so, in any context. Small blocks
 * come from the slab, big ones from vmalloc. Never starts I/O to get memory, never warns when there
 * is none, and never sleeps in os_free(): what only a sleeping context may give back goes to a work
 * item.
 */
#include <linux/highmem.h>
#include <linux/llist.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <crypto/algapi.h>

#include "os/memory.h"
#include "target/linux/glue.h"

/*
 * The slab aligns a block to its size when that is a power of two. The only other sizes it has are
 * below this one (96 and 192 bytes) and may be aligned to 8 bytes only.
 */
#define POWER_OF_TWO_UP_TO 256
#define MIN_SIZE 16

static LLIST_HEAD(deferred);

static void free_deferred(struct work_struct *work)
{
	struct llist_node *node, *next;

	llist_for_each_safe(node, next, llist_del_all(&deferred))
		vfree(node);
}

static DECLARE_WORK(deferred_work, free_deferred);

static void *alloc_sleeping(size_t size)
{
	unsigned int noio = memalloc_noio_save();
	void *memory = kvzalloc(size, GFP_KERNEL | __GFP_NOWARN);

	memalloc_noio_restore(noio);
	return memory;
}

void *os_alloc(size_t size, int mode)
{
	if (size < POWER_OF_TWO_UP_TO)
		size = roundup_pow_of_two(max_t(size_t, size, MIN_SIZE));
	if (mode == OS_ALLOC_SLEEP)
		return alloc_sleeping(size);
	if (size > KMALLOC_MAX_SIZE)
		return NULL;
	return kzalloc(size, GFP_ATOMIC | __GFP_NOWARN);
}

/*
 * vfree() sleeps, and whether the caller may sleep cannot be told on kernels that do not count
 * preemption. Such blocks are few and never on the I/O path, so all of them take the detour.
 */
void os_free(void *memory)
{
	if (!is_vmalloc_addr(memory))
		kfree(memory);
	else if (llist_add(memory, &deferred))
		schedule_work(&deferred_work);
}

void os_memory_drain(void)
{
	flush_work(&deferred_work);
}

void os_wipe(void *memory, size_t size)
{
	memzero_explicit(memory, size);
}

int os_equal_secret(const void *a, const void *b, size_t size)
{
	return !crypto_memneq(a, b, size);
}

void *os_page_nth(void *page, uint32_t n)
{
	return nth_page((struct page *)page, n);
}

void *os_page_map(void *page)
{
	return kmap_local_page(page);
}

void os_page_unmap(void *address)
{
	kunmap_local(address);
}

void *os_page_alloc(int mode)
{
	unsigned int noio;
	struct page *page;

	if (mode == OS_ALLOC_ATOMIC)
		return alloc_page(GFP_ATOMIC | __GFP_NOWARN);
	noio = memalloc_noio_save();
	page = alloc_page(GFP_KERNEL | __GFP_NOWARN);
	memalloc_noio_restore(noio);
	return page;
}

void os_page_get(void *page)
{
	get_page(page);
}

void os_page_put(void *page)
{
	put_page(page);
}
