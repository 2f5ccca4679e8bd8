/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Storage of the host: block devices and files, memory for data, and threads for what has to wait.
 * See os/memory.h for what this contract is.
 *
 * Everything is asynchronous: a request is submitted and ends by its callback. Nothing here waits
 * for a device in the caller's thread, os_storage_open() and os_storage_close() excepted.
 */
#ifndef CHISCSI_OS_STORAGE_H
#define CHISCSI_OS_STORAGE_H

#include "os/types.h"

#include "common/chiscsi_sgvec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Memory for data ---- */

/* No chunk is larger; smaller ones come when memory is scattered. A multiple of OS_PAGE_SIZE. */
#define OS_CHUNK_MAX 32768u

/**
 * struct os_chunk - contiguous pages. Their content is whatever was there before.
 * @page: host page (struct page *) of the first byte
 * @address: its address
 * @size: bytes, a multiple of OS_PAGE_SIZE; 0: there is none
 */
struct os_chunk {
	void *page;
	void *address;
	uint32_t size;
};

/**
 * os_chunk_alloc() - pages for up to @wanted bytes of data.
 * Return: 0, or -ENOMEM. Context: process, no spinlock held; starts no I/O to get memory.
 */
int os_chunk_alloc(uint32_t wanted, struct os_chunk *chunk);
/**
 * os_pages_alloc_kept() - pages that may be kept for ever: not from what the host has in reserve for
 *	os_chunk_alloc().
 * @count: so many
 * @pages: chunks of OS_PAGE_SIZE each
 *
 * Return: how many there are; fewer than @count when memory is short. Context: as above.
 */
uint32_t os_pages_alloc_kept(uint32_t count, struct os_chunk *pages);
/** os_chunk_free() - gives a chunk back by its address and size. Context: any. */
void os_chunk_free(void *address, uint32_t size);
/** os_pages_free() - gives chunks of OS_PAGE_SIZE back by their addresses. Context: any. */
void os_pages_free(void *const *addresses, uint32_t count);
/** os_chunk_limit() - bytes that all chunks together should not exceed on this host. */
uint64_t os_chunk_limit(void);

/* ---- Work that has to be done in process context ---- */

/**
 * struct os_work - something to be run once by a thread of the host.
 * @run: what; may queue the same work again or free it
 * @opaque: the host's own
 */
struct os_work {
	void (*run)(struct os_work *work);
	unsigned long opaque[16];
};

/**
 * os_work_queue() - has it run soon. Precondition: it is not queued already.
 * Context: any. It runs in process context and must not wait for a device.
 */
void os_work_queue(struct os_work *work);

/* ---- Block devices and files ---- */

struct os_storage;

/* os_storage_facts.flags. */
#define OS_STORAGE_BLOCK_DEVICE 0x1
#define OS_STORAGE_READ_ONLY 0x2
#define OS_STORAGE_VOLATILE_CACHE 0x4 /* OS_STORAGE_FLUSH and OS_STORAGE_FUA make a difference */
#define OS_STORAGE_ROTATIONAL 0x8
#define OS_STORAGE_CAN_DISCARD 0x10
#define OS_STORAGE_DISCARD_ZEROS 0x20 /* what was discarded reads as zeros */
#define OS_STORAGE_CAN_MAP 0x40       /* OS_STORAGE_MAP tells holes from data */
#define OS_STORAGE_CAN_PREFETCH 0x80  /* OS_STORAGE_PREFETCH does something */

/**
 * struct os_storage_facts - what an open storage is like.
 * @size: bytes
 * @identity: the same for all opens of one device or file, and for no other that is open at the
 *	same time
 * @block_size: unit of its reads and writes in bytes; 512 when any will do
 * @physical_size: unit of its medium in bytes
 * @optimal_size: bytes of the best transfer; 0: not known
 * @discard_granularity: bytes that are discarded together
 * @discard_alignment: where the first such group begins
 * @max_discard: bytes of the longest discard; 0: no limit
 * @flags: OS_STORAGE_BLOCK_DEVICE and the like
 */
struct os_storage_facts {
	uint64_t size;
	uint64_t identity[2];
	uint32_t block_size;
	uint32_t physical_size;
	uint32_t optimal_size;
	uint32_t discard_granularity;
	uint32_t discard_alignment;
	uint64_t max_discard;
	uint32_t flags;
};

/**
 * os_storage_facts_of() - what the path names, without opening it for use.
 * Return: 0 with @flags and @identity filled in, or a negative errno. Context: process, sleeps.
 */
int os_storage_facts_of(const char *path, struct os_storage_facts *facts);

#define OS_STORAGE_OPEN_READ_ONLY 0x1
#define OS_STORAGE_OPEN_BLOCK 0x2 /* by the block layer: a block device, and nobody else's */
#define OS_STORAGE_OPEN_DIRECT 0x4 /* through the file system, and past the page cache */

/**
 * os_storage_open() - opens a block device or a regular file.
 * @flags: OS_STORAGE_OPEN_*; without OS_STORAGE_OPEN_BLOCK through the file system
 *
 * With OS_STORAGE_OPEN_DIRECT the data of requests lies in memory at multiples of 512 bytes.
 *
 * Return: 0, or a negative errno: -ENOTBLK for OS_STORAGE_OPEN_BLOCK of something else, -EINVAL for
 * what is neither a file nor a block device, -EOPNOTSUPP for OS_STORAGE_OPEN_DIRECT where the file
 * system has no way past the page cache. Context: process, sleeps.
 */
int os_storage_open(const char *path, unsigned int flags, struct os_storage **storage,
		    struct os_storage_facts *facts);
/** os_storage_close() - precondition: no request is under way. Context: process, sleeps. */
void os_storage_close(struct os_storage *storage);
/** os_storage_size() - bytes it has now. Context: any. */
uint64_t os_storage_size(struct os_storage *storage);

/**
 * os_storage_flags() - which of OS_STORAGE_READ_ONLY and OS_STORAGE_VOLATILE_CACHE are so now, of the
 *	device or file itself. Context: any.
 */
uint32_t os_storage_flags(struct os_storage *storage);

/* os_storage_used(): nobody knows. */
#define OS_STORAGE_NOT_KNOWN (~0ull)
/**
 * os_storage_used() - bytes that have memory of their own, as far as the file system has settled it.
 * Return: OS_STORAGE_NOT_KNOWN for block devices. Context: process, does not sleep.
 */
uint64_t os_storage_used(struct os_storage *storage);

enum os_storage_operation {
	OS_STORAGE_READ,
	OS_STORAGE_WRITE,
	OS_STORAGE_FLUSH,   /* what was written before is stable when it ends */
	OS_STORAGE_DISCARD, /* the range may lose its memory; its content is undefined or zeros */
	OS_STORAGE_ZERO,    /* the range becomes zeros */
	OS_STORAGE_MAP,     /* see @mapped_size */
	OS_STORAGE_PREFETCH, /* the range will be read: it is fetched into memory as far as that fits */
};

#define OS_STORAGE_FUA 0x1   /* of a write: stable when it ends */
#define OS_STORAGE_UNMAP 0x2 /* of OS_STORAGE_ZERO: it may lose its memory */

/**
 * struct os_storage_request - one operation; the caller's memory until it has ended.
 * @done: called once, in any context; an @error of 0 or a negative errno
 * @operation: enum os_storage_operation
 * @flags: OS_STORAGE_FUA, OS_STORAGE_UNMAP
 * @offset: first byte, a multiple of the storage's block size
 * @length: bytes, the same
 * @data: list of pages with the data of a read or write
 * @data_count: its elements
 * @data_skip: bytes of the list before those that are meant
 * @mapped_size: OS_STORAGE_MAP: so many bytes from @offset on are alike, at most @length
 * @is_mapped: OS_STORAGE_MAP: they have memory, or 0: they are a hole
 * @write_back_failed: set by the host, not 0: writes that had been answered before may be lost. The
 *	host says so once, whoever asks first, and a request that is made again finds nothing of it
 * @is_cancelled: not 0: nobody wants it any more; see below
 * @work: the host's own
 * @opaque: the host's own
 *
 * The caller may set @is_cancelled in any context and at any time, by an atomic store. The host
 * looks at it right before it begins with the device or file, and between the pieces of what it does
 * piece by piece; when it is set, the request ends with -ECANCELED. What has been begun goes on to
 * its end, and @done is called in any case.
 *
 * What is beyond the end: with OS_STORAGE_OPEN_BLOCK everything fails. Through the file system, of a
 * file that has shrunk as of a device, a read gives zeros; a write and zeros fail, and make no file
 * longer.
 */
struct os_storage_request {
	void (*done)(struct os_storage_request *request, int error);
	uint8_t operation;
	uint8_t flags;
	uint8_t is_mapped;
	uint8_t write_back_failed;
	uint64_t offset;
	uint64_t length;
	const struct chiscsi_sgvec *data;
	uint32_t data_count;
	uint32_t data_skip;
	uint64_t mapped_size;
	uint32_t is_cancelled;
	struct os_work work;
	unsigned long opaque[6];
};

/** os_storage_submit() - starts a request. Context: process. May call @done before it returns. */
void os_storage_submit(struct os_storage *storage, struct os_storage_request *request);

#ifdef __cplusplus
}
#endif
#endif
