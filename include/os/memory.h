/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of the host. Part of the one contract between the engine and its host: implemented by
 * target/linux/ for the kernel and by tests/host/ for the POSIX port.
 *
 * No allocation starts I/O or reclaim that waits for I/O: a target and the initiator that waits for
 * it may share a machine.
 */
#ifndef CHISCSI_OS_MEMORY_H
#define CHISCSI_OS_MEMORY_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OS_ALLOC_SLEEP 0  /* Process context, no spinlock held. */
#define OS_ALLOC_ATOMIC 1 /* Process context or softirq, but not under an os_spinlock. */

/**
 * os_alloc() - zeroed memory, aligned to 16 bytes.
 * @size: bytes; more than a few pages only with OS_ALLOC_SLEEP
 * @mode: OS_ALLOC_SLEEP or OS_ALLOC_ATOMIC
 *
 * Return: the memory, or NULL when there is none. Never warns.
 */
void *os_alloc(size_t size, int mode);

/** os_free() - returns memory of os_alloc(); NULL is fine. Context: any. */
void os_free(void *memory);

/** os_wipe() - overwrites a secret; the compiler cannot drop it. Context: any. */
void os_wipe(void *memory, size_t size);

/**
 * os_equal_secret() - compares two secrets in a time that depends on @size alone.
 * Return: 1 when equal, else 0. Context: any.
 */
int os_equal_secret(const void *a, const void *b, size_t size);

/** os_page_nth() - the host page that lies @n pages behind @page in one contiguous run. */
void *os_page_nth(void *page, uint32_t n);

#define OS_PAGE_SIZE 4096u /* The unit of os_page_nth() and os_page_map(). */

/**
 * os_page_map() - the address of a host page (struct page *) for a short copy.
 * Context: process or softirq; nests like a stack; the task must not sleep for long in between.
 */
void *os_page_map(void *page);

/** os_page_unmap() - ends an os_page_map(); takes the address that it returned. */
void os_page_unmap(void *address);

/**
 * os_page_alloc() - one host page with one reference; its content is anything.
 * @mode: OS_ALLOC_SLEEP or OS_ALLOC_ATOMIC
 *
 * Return: the page for os_page_map(), or NULL when there is none.
 */
void *os_page_alloc(int mode);
/** os_page_get() - adds a reference to a page of os_page_alloc(). Context: any. */
void os_page_get(void *page);
/** os_page_put() - gives one back; the last one frees the page. Context: any. */
void os_page_put(void *page);

#ifdef __cplusplus
}
#endif
#endif
