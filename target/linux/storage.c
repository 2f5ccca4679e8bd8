// SPDX-License-Identifier: GPL-2.0-only
/*
 * Storage of the kernel for the engine: implements include/os/storage.h, but for the memory and the
 * two kinds of storage.
 *
 * Called by the built-in LUN classes on any thread, and in any context where the contract says so.
 * Threads are work queues that are allowed to help when memory is short.
 */
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "os/memory.h"
#include "target/linux/glue.h"
#include "target/linux/storage.h"

#define THREADS_PER_STORAGE 32

static struct workqueue_struct *steps;

int os_storage_start(void)
{
	int err = storage_block_start();

	if (err)
		return err;
	err = storage_chunks_start();
	steps = alloc_workqueue("chiscsi_step", WQ_MEM_RECLAIM, 0);
	if (!err && steps)
		return 0;
	os_storage_stop();
	return -ENOMEM;
}

void os_storage_stop(void)
{
	if (steps)
		destroy_workqueue(steps);
	storage_chunks_stop();
	storage_block_stop();
}

/* ---- Work ---- */

static void run_step(struct work_struct *item)
{
	struct os_work *work = container_of((unsigned long *)item, struct os_work, opaque[0]);
	unsigned int noio = memalloc_noio_save();

	work->run(work);
	memalloc_noio_restore(noio);
}

void os_work_queue(struct os_work *work)
{
	struct work_struct *item = (struct work_struct *)work->opaque;

	BUILD_BUG_ON(sizeof(struct work_struct) > sizeof(work->opaque));
	INIT_WORK(item, run_step);
	queue_work(steps, item);
}

/* ---- Open and close ---- */

/*
 * Numbers do not tell files apart: the subvolumes of a btrfs, a snapshot and its origin for
 * instance, have one s_dev and number their files alike. Their inodes do, as long as the file is
 * open, which it is for everybody who is compared with.
 */
void storage_identify(struct inode *inode, struct os_storage_facts *facts)
{
	if (S_ISBLK(inode->i_mode)) {
		facts->flags |= OS_STORAGE_BLOCK_DEVICE;
		facts->identity[0] = ~0ULL;
		facts->identity[1] = inode->i_rdev;
	} else {
		facts->identity[0] = 0;
		facts->identity[1] = (unsigned long)inode;
	}
}

int storage_write_out(struct block_device *bdev)
{
	int err = sync_blockdev(bdev);

	if (!err)
		invalidate_bdev(bdev);
	return err;
}

int os_storage_facts_of(const char *path, struct os_storage_facts *facts)
{
	struct path found;
	int err = kern_path(path, LOOKUP_FOLLOW, &found);

	memset(facts, 0, sizeof(*facts));
	if (err)
		return err;
	storage_identify(d_backing_inode(found.dentry), facts);
	path_put(&found);
	return 0;
}

int os_storage_open(const char *path, unsigned int flags, struct os_storage **storage,
		    struct os_storage_facts *facts)
{
	struct os_storage *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	int err = -ENOMEM;

	if (!fresh)
		return err;
	memset(facts, 0, sizeof(*facts));
	fresh->kind = flags & OS_STORAGE_OPEN_BLOCK ? &storage_block_kind : &storage_file_kind;
	atomic_set(&fresh->busy, 1);
	init_waitqueue_head(&fresh->idle);
	fresh->queue = alloc_workqueue("chiscsi_io", WQ_UNBOUND | WQ_MEM_RECLAIM,
				       THREADS_PER_STORAGE);
	if (fresh->queue)
		err = fresh->kind->open(fresh, path, flags, facts);
	if (err) {
		if (fresh->queue)
			destroy_workqueue(fresh->queue);
		kfree(fresh);
		return err;
	}
	facts->size = os_storage_size(fresh);
	*storage = fresh;
	return 0;
}

static bool is_idle(struct os_storage *storage)
{
	return !atomic_read(&storage->busy);
}

/* No request is left, but the function that has ended the last one may still be about to return. */
void os_storage_close(struct os_storage *storage)
{
	atomic_dec(&storage->busy);
	while (!wait_event_idle_timeout(storage->idle, is_idle(storage), HZ))
		;
	/* Whoever saw to that holds the lock for another moment. */
	spin_lock_irq(&storage->idle.lock);
	spin_unlock_irq(&storage->idle.lock);
	destroy_workqueue(storage->queue);
	storage->kind->close(storage);
	kfree(storage);
}

u64 os_storage_size(struct os_storage *storage)
{
	return storage->kind->size(storage);
}

u32 os_storage_flags(struct os_storage *storage)
{
	return storage->kind->flags(storage);
}

u64 os_storage_used(struct os_storage *storage)
{
	return storage->kind->used ? storage->kind->used(storage) : OS_STORAGE_NOT_KNOWN;
}

/* ---- Requests ---- */

/*
 * The engine has heard of an error of the file's write-back: from here on it tells of it, and who
 * flushes need not be told by us.
 */
static void note_told(struct os_storage *storage)
{
	if (storage->file)
		WRITE_ONCE(storage->known, filemap_sample_wb_err(storage->file->f_mapping));
}

/*
 * Whoever closes may free the storage as soon as it is idle, so the wake-up comes under the lock of
 * the queue, which the closer takes before it returns.
 */
void storage_ended(struct os_storage *storage, struct os_storage_request *request, int error)
{
	bool write_back_failed = request->write_back_failed;
	unsigned long flags;

	request->done(request, error);
	if (unlikely(write_back_failed))
		note_told(storage);
	if (likely(atomic_add_unless(&storage->busy, -1, 1)))
		return;
	spin_lock_irqsave(&storage->idle.lock, flags);
	if (atomic_dec_and_test(&storage->busy))
		wake_up_locked(&storage->idle);
	spin_unlock_irqrestore(&storage->idle.lock, flags);
}

static void run_request(struct work_struct *item)
{
	struct os_work *work = container_of((unsigned long *)item, struct os_work, opaque[0]);
	struct os_storage_request *request = container_of(work, struct os_storage_request, work);
	struct os_storage *storage = storage_slot(request)->storage;
	unsigned int noio;

	/* It may have waited here for as long as the device did not answer others. */
	if (storage_is_cancelled(request)) {
		storage_ended(storage, request, -ECANCELED);
		return;
	}
	noio = memalloc_noio_save();
	storage->kind->work(storage, request);
	memalloc_noio_restore(noio);
}

void storage_defer(struct os_storage *storage, struct os_storage_request *request)
{
	struct work_struct *item = (struct work_struct *)request->work.opaque;

	INIT_WORK(item, run_request);
	queue_work(storage->queue, item);
}

void os_storage_submit(struct os_storage *storage, struct os_storage_request *request)
{
	struct storage_slot *slot = storage_slot(request);

	slot->storage = storage;
	slot->error = 0;
	request->write_back_failed = 0;
	atomic_inc(&storage->busy);
	if (!storage->kind->submit(storage, request))
		storage_defer(storage, request);
}
