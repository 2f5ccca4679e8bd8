/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the storage glue share: an open storage, and the two kinds there are.
 *
 * storage.c opens, closes and hands out threads; storage_block.c and storage_file.c know how a
 * request is run; storage_chunks.c has the memory. Nothing outside of these includes it.
 */
#ifndef CHISCSI_STORAGE_GLUE_H
#define CHISCSI_STORAGE_GLUE_H

#include <linux/atomic.h>
#include <linux/blkdev.h>
#include <linux/errseq.h>
#include <linux/fs.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "os/storage.h"

/**
 * struct storage_kind - how one kind of storage does its work.
 * @open: fills in what it needs of the storage, and the facts
 * @close: undoes it
 * @submit: starts a request in the caller's thread, without waiting for the device; or returns
 *	false, and @work does it
 * @work: starts or does a request in a thread that may wait
 * @size: bytes it has now
 * @flags: OS_STORAGE_READ_ONLY and OS_STORAGE_VOLATILE_CACHE, where they are so now
 * @used: bytes that have memory of their own, or OS_STORAGE_NOT_KNOWN; NULL: never known
 */
struct storage_kind {
	int (*open)(struct os_storage *storage, const char *path, unsigned int flags,
		    struct os_storage_facts *facts);
	void (*close)(struct os_storage *storage);
	bool (*submit)(struct os_storage *storage, struct os_storage_request *request);
	void (*work)(struct os_storage *storage, struct os_storage_request *request);
	u64 (*size)(struct os_storage *storage);
	u32 (*flags)(struct os_storage *storage);
	u64 (*used)(struct os_storage *storage);
};

extern const struct storage_kind storage_block_kind;
extern const struct storage_kind storage_file_kind;

/* What the block kind and the chunks need while the module is there. */
int storage_block_start(void);
void storage_block_stop(void);
int storage_chunks_start(void);
void storage_chunks_stop(void);

/**
 * struct os_storage - an open block device or file.
 * @kind: how it works
 * @queue: threads of its own, so that a device that hangs holds up no other
 * @busy: requests under way, and one while it is open
 * @idle: the last one has ended
 * @bdev: the device, of a block storage
 * @handle: what keeps it open, of the kernel's type
 * @never_waits: its driver does not sleep when it is given a request
 * @file: the file, of a file storage
 * @direct: reads and writes go past the page cache
 * @known: state of the file's write-back errors of which the engine knows
 */
struct os_storage {
	const struct storage_kind *kind;
	struct workqueue_struct *queue;
	atomic_t busy;
	wait_queue_head_t idle;
	struct block_device *bdev;
	void *handle;
	bool never_waits;
	struct file *file;
	bool direct;
	errseq_t known;
};

/**
 * struct storage_slot - what the glue keeps in the opaque part of a request.
 * @storage: where it is
 * @pending: parts under way, and one for who makes them
 * @error: the first one of a part
 */
struct storage_slot {
	struct os_storage *storage;
	atomic_t pending;
	int error;
};

static inline struct storage_slot *storage_slot(struct os_storage_request *request)
{
	BUILD_BUG_ON(sizeof(struct storage_slot) > sizeof(request->opaque));
	return (struct storage_slot *)request->opaque;
}

/* storage_is_cancelled() - nobody wants the request any more: nothing is begun for it. */
static inline bool storage_is_cancelled(const struct os_storage_request *request)
{
	return READ_ONCE(request->is_cancelled);
}

/* storage_ended() - a request is over. Context: any. The request may be gone afterwards. */
void storage_ended(struct os_storage *storage, struct os_storage_request *request, int error);
/* storage_defer() - has the kind's @work run for it. Context: any. */
void storage_defer(struct os_storage *storage, struct os_storage_request *request);
/*
 * storage_write_out() - a device is about to be used in another way than before: nothing of it may
 * be in its page cache that is newer than the device, or becomes older. Sleeps.
 */
int storage_write_out(struct block_device *bdev);
/* storage_identify() - fills in which device or file it is. */
void storage_identify(struct inode *inode, struct os_storage_facts *facts);

#endif
