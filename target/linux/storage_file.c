// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files by the file system, and block devices by their page cache.
 *
 * What the page cache has is read in the caller's thread. Everything else may wait for the disk and
 * runs in a thread of the storage. Nothing is allocated per request: pages go to the file system a
 * few at a time.
 */
#include <linux/bvec.h>
#include <linux/err.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/uio.h>

#include "target/linux/storage.h"

#define VECS 32

#ifndef ITER_SOURCE
#define ITER_SOURCE WRITE
#define ITER_DEST READ
#endif

/* ---- Open ---- */

static int describe(struct file *file, struct os_storage_facts *facts)
{
	struct inode *inode = file->f_mapping->host;
	bool device = S_ISBLK(inode->i_mode);

	if (!device && !S_ISREG(inode->i_mode))
		return -EINVAL;
	storage_identify(inode, facts);
	facts->block_size = device ? bdev_logical_block_size(I_BDEV(inode)) : 512;
	facts->physical_size = max_t(u32, i_blocksize(inode), facts->block_size);
	facts->discard_granularity = facts->physical_size;
	facts->flags |= OS_STORAGE_VOLATILE_CACHE;
	if (!device)
		facts->flags |= OS_STORAGE_CAN_MAP;
	if (!device && file->f_op->fallocate)
		facts->flags |= OS_STORAGE_CAN_DISCARD | OS_STORAGE_DISCARD_ZEROS;
	if (device && bdev_max_discard_sectors(I_BDEV(inode)))
		facts->flags |= OS_STORAGE_CAN_DISCARD;
	return 0;
}

/* O_EXCL has no effect on a file; a device is then nobody else's. */
static int file_open_storage(struct os_storage *storage, const char *path, unsigned int flags,
			     struct os_storage_facts *facts)
{
	bool read_only = flags & OS_STORAGE_OPEN_READ_ONLY;
	struct file *file = filp_open(path, (read_only ? O_RDONLY : O_RDWR) | O_LARGEFILE | O_EXCL,
				      0);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = describe(file, facts);
	if (err) {
		filp_close(file, NULL);
		return err;
	}
	if (read_only)
		facts->flags |= OS_STORAGE_READ_ONLY;
	storage->file = file;
	return 0;
}

static void file_close_storage(struct os_storage *storage)
{
	filp_close(storage->file, NULL);
}

static u64 file_size(struct os_storage *storage)
{
	return i_size_read(storage->file->f_mapping->host);
}

/* ---- Reads and writes ---- */

/**
 * struct part - a few pages of a request.
 * @vecs: the pages
 * @count: how many
 * @bytes: what is in them
 */
struct part {
	struct bio_vec vecs[VECS];
	unsigned int count;
	size_t bytes;
};

/* The pages of a request from byte @from of it on. */
static void take_part(struct part *part, const struct os_storage_request *request, u64 from)
{
	u64 skip = request->data_skip + from, left = request->length - from;
	u32 i;

	part->count = 0;
	part->bytes = 0;
	for (i = 0; i < request->data_count && left && part->count < VECS; i++) {
		const struct chiscsi_sgvec *element = &request->data[i];
		struct bio_vec *vec = &part->vecs[part->count];

		if (skip >= element->sg_length) {
			skip -= element->sg_length;
			continue;
		}
		vec->bv_page = element->sg_page;
		vec->bv_offset = element->sg_offset + skip;
		vec->bv_len = min_t(u64, element->sg_length - skip, left);
		left -= vec->bv_len;
		part->bytes += vec->bv_len;
		part->count++;
		skip = 0;
	}
}

static ssize_t read_part(struct os_storage *storage, struct part *part, loff_t at, int flags)
{
	struct iov_iter iter;
	struct kiocb kiocb;

	iov_iter_bvec(&iter, ITER_DEST, part->vecs, part->count, part->bytes);
	init_sync_kiocb(&kiocb, storage->file);
	kiocb.ki_pos = at;
	kiocb.ki_flags |= flags;
	return storage->file->f_op->read_iter(&kiocb, &iter);
}

static ssize_t write_part(struct os_storage *storage, struct part *part, loff_t at, int flags)
{
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t done;

	iov_iter_bvec(&iter, ITER_SOURCE, part->vecs, part->count, part->bytes);
	init_sync_kiocb(&kiocb, storage->file);
	kiocb.ki_pos = at;
	kiocb.ki_flags |= flags;
	file_start_write(storage->file);
	done = storage->file->f_op->write_iter(&kiocb, &iter);
	file_end_write(storage->file);
	return done;
}

static void clear_part(struct part *part)
{
	unsigned int i;

	for (i = 0; i < part->count; i++)
		memset(page_address(part->vecs[i].bv_page) + part->vecs[i].bv_offset, 0,
		       part->vecs[i].bv_len);
}

static int read_all(struct os_storage *storage, struct os_storage_request *request)
{
	struct part part;
	u64 from = 0;

	while (from < request->length) {
		ssize_t done;

		take_part(&part, request, from);
		if (!part.bytes)
			return -EINVAL;
		done = read_part(storage, &part, request->offset + from, 0);
		if (done < 0)
			return done;
		if (!done) {
			clear_part(&part);
			done = part.bytes;
		}
		from += done;
	}
	return 0;
}

static int write_all(struct os_storage *storage, struct os_storage_request *request)
{
	int flags = request->flags & OS_STORAGE_FUA ? IOCB_DSYNC : 0;
	struct part part;
	u64 from = 0;

	while (from < request->length) {
		ssize_t done;

		take_part(&part, request, from);
		if (!part.bytes)
			return -EINVAL;
		done = write_part(storage, &part, request->offset + from, flags);
		if (done <= 0)
			return done ? done : -EIO;
		from += done;
	}
	return 0;
}

/* What is in memory, at once; or nothing. */
static bool file_submit(struct os_storage *storage, struct os_storage_request *request)
{
	struct part part;

	if (request->operation != OS_STORAGE_READ || !(storage->file->f_mode & FMODE_NOWAIT))
		return false;
	take_part(&part, request, 0);
	if (part.bytes != request->length)
		return false;
	if (read_part(storage, &part, request->offset, IOCB_NOWAIT) != (ssize_t)part.bytes)
		return false;
	storage_ended(storage, request, 0);
	return true;
}

/* ---- The rest ---- */

static int punch(struct os_storage *storage, struct os_storage_request *request)
{
	return vfs_fallocate(storage->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     request->offset, request->length);
}

static int write_zeros(struct os_storage *storage, struct os_storage_request *request)
{
	struct part part;
	u64 from = 0;

	while (from < request->length) {
		ssize_t done;

		part.bytes = 0;
		for (part.count = 0; part.count < VECS && from + part.bytes < request->length;
		     part.count++) {
			struct bio_vec *vec = &part.vecs[part.count];

			vec->bv_page = ZERO_PAGE(0);
			vec->bv_offset = 0;
			vec->bv_len = min_t(u64, PAGE_SIZE, request->length - from - part.bytes);
			part.bytes += vec->bv_len;
		}
		done = write_part(storage, &part, request->offset + from, 0);
		if (done <= 0)
			return done ? done : -EIO;
		from += done;
	}
	return 0;
}

static int zero(struct os_storage *storage, struct os_storage_request *request)
{
	int err = -EOPNOTSUPP;

	if (request->flags & OS_STORAGE_UNMAP)
		err = punch(storage, request);
	if (err == -EOPNOTSUPP)
		err = vfs_fallocate(storage->file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
				    request->offset, request->length);
	return err == -EOPNOTSUPP ? write_zeros(storage, request) : err;
}

static int map(struct os_storage *storage, struct os_storage_request *request)
{
	loff_t at = request->offset, to;

	to = vfs_llseek(storage->file, at, SEEK_DATA);
	if (to < 0 && to != -ENXIO)
		return to;
	request->is_mapped = to == at;
	if (to == at)
		to = vfs_llseek(storage->file, at, SEEK_HOLE);
	request->mapped_size = to < 0 ? request->length : min_t(u64, request->length, to - at);
	return 0;
}

static int perform(struct os_storage *storage, struct os_storage_request *request)
{
	switch (request->operation) {
	case OS_STORAGE_READ:
		return read_all(storage, request);
	case OS_STORAGE_WRITE:
		return write_all(storage, request);
	case OS_STORAGE_FLUSH:
		return vfs_fsync(storage->file, 1);
	case OS_STORAGE_DISCARD:
		return punch(storage, request);
	case OS_STORAGE_ZERO:
		return zero(storage, request);
	case OS_STORAGE_MAP:
		return map(storage, request);
	default:
		return -EOPNOTSUPP;
	}
}

/*
 * The file system may be below the very initiator that fills the page cache: its writes must not be
 * held back by what only they can clean.
 */
static void file_work(struct os_storage *storage, struct os_storage_request *request)
{
	unsigned int before = current->flags & PF_LOCAL_THROTTLE;
	int err;

	current->flags |= PF_LOCAL_THROTTLE;
	err = perform(storage, request);
	current->flags = (current->flags & ~PF_LOCAL_THROTTLE) | before;
	storage_ended(storage, request, err);
}

const struct storage_kind storage_file_kind = {
	.open = file_open_storage,
	.close = file_close_storage,
	.submit = file_submit,
	.work = file_work,
	.size = file_size,
};
