// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files by the file system, and block devices by their page cache; or past it.
 *
 * What the page cache has of a file is read in the caller's thread. Everything else may wait for the disk and
 * runs in a thread of the storage. Nothing is allocated per request: pages go to the file system a
 * few at a time.
 */
#include <linux/bvec.h>
#include <linux/err.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
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
	/* Some files of /proc and of odd file systems are read in other ways, or not at all. */
	if (!file->f_op->read_iter || ((file->f_mode & FMODE_WRITE) && !file->f_op->write_iter))
		return -EINVAL;
	/* As os_storage_facts_of() finds it by the path. */
	storage_identify(file_inode(file), facts);
	facts->block_size = device ? bdev_logical_block_size(I_BDEV(inode)) : 512;
	facts->physical_size = max_t(u32, i_blocksize(inode), facts->block_size);
	facts->discard_granularity = facts->physical_size;
	facts->flags |= OS_STORAGE_VOLATILE_CACHE | OS_STORAGE_CAN_PREFETCH;
	if (!device)
		facts->flags |= OS_STORAGE_CAN_MAP;
	if (!device && file->f_op->fallocate)
		facts->flags |= OS_STORAGE_CAN_DISCARD | OS_STORAGE_DISCARD_ZEROS;
	/* A hole in a device is zeros that the device itself writes, or it is refused. */
	if (device && bdev_max_discard_sectors(I_BDEV(inode)) &&
	    bdev_write_zeroes_sectors(I_BDEV(inode)))
		facts->flags |= OS_STORAGE_CAN_DISCARD | OS_STORAGE_DISCARD_ZEROS;
	return 0;
}

static bool file_goes_direct(struct file *file)
{
#ifdef FMODE_CAN_ODIRECT
	return file->f_mode & FMODE_CAN_ODIRECT;
#else
	return file->f_mapping->a_ops->direct_IO;
#endif
}

/*
 * The unit in which a file can be read and written past the page cache; 0: there is no such way. A
 * file system that does not say has that of its device.
 */
static u32 direct_unit(struct file *file)
{
	struct super_block *sb = file_inode(file)->i_sb;
	u32 unit = sb->s_bdev ? bdev_logical_block_size(sb->s_bdev) : 512;
#ifdef STATX_DIOALIGN
	struct kstat stat;

	if (!vfs_getattr(&file->f_path, &stat, STATX_DIOALIGN, AT_STATX_SYNC_AS_STAT) &&
	    (stat.result_mask & STATX_DIOALIGN)) {
		/* Data lies in whole pages of which the first ones may be skipped by the unit. */
		unit = stat.dio_mem_align > 512 ? max(stat.dio_mem_align, stat.dio_offset_align) :
						  stat.dio_offset_align;
	}
#endif
	return file_goes_direct(file) ? unit : 0;
}

static int make_direct(struct os_storage *storage, struct file *file,
		       struct os_storage_facts *facts)
{
	u32 unit = direct_unit(file);

	if (!unit || unit > PAGE_SIZE)
		return -EOPNOTSUPP;
	storage->direct = true;
	facts->flags &= ~OS_STORAGE_CAN_PREFETCH;
	facts->block_size = max(facts->block_size, unit);
	return 0;
}

/* What others have left in the page cache of a device has an owner only now. */
static int check_file(struct file *file, struct os_storage_facts *facts)
{
	struct inode *inode = file->f_mapping->host;
	int err = describe(file, facts);

	return !err && S_ISBLK(inode->i_mode) ? storage_write_out(I_BDEV(inode)) : err;
}

/*
 * O_EXCL has no effect on a file; a device is then nobody else's. Times of access would have reads
 * wait for a journal.
 */
static int file_open_storage(struct os_storage *storage, const char *path, unsigned int flags,
			     struct os_storage_facts *facts)
{
	bool read_only = flags & OS_STORAGE_OPEN_READ_ONLY;
	int how = (read_only ? O_RDONLY : O_RDWR) | O_LARGEFILE | O_EXCL | O_NOATIME;
	struct file *file = filp_open(path, how, 0);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = check_file(file, facts);
	if (!err && (flags & OS_STORAGE_OPEN_DIRECT))
		err = make_direct(storage, file, facts);
	if (err) {
		filp_close(file, NULL);
		return err;
	}
	if (read_only)
		facts->flags |= OS_STORAGE_READ_ONLY;
	storage->file = file;
	storage->known = filemap_sample_wb_err(file->f_mapping);
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

static u32 file_flags(struct os_storage *storage)
{
	struct inode *inode = storage->file->f_mapping->host;
	bool read_only = S_ISBLK(inode->i_mode) && bdev_read_only(I_BDEV(inode));

	return OS_STORAGE_VOLATILE_CACHE | (read_only ? OS_STORAGE_READ_ONLY : 0);
}

static u64 file_used(struct os_storage *storage)
{
	struct inode *inode = storage->file->f_mapping->host;

	return S_ISREG(inode->i_mode) ? inode_get_bytes(inode) : OS_STORAGE_NOT_KNOWN;
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
	kiocb.ki_flags |= flags | (storage->direct ? IOCB_DIRECT : 0);
	return storage->file->f_op->read_iter(&kiocb, &iter);
}

/* A file system that is frozen keeps it for as long as it likes. */
static ssize_t write_part(struct os_storage *storage, struct os_storage_request *request,
			  struct part *part, loff_t at)
{
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t done = -ECANCELED;

	iov_iter_bvec(&iter, ITER_SOURCE, part->vecs, part->count, part->bytes);
	init_sync_kiocb(&kiocb, storage->file);
	kiocb.ki_pos = at;
	kiocb.ki_flags |= storage->direct ? IOCB_DIRECT : 0;
	file_start_write(storage->file);
	if (!storage_is_cancelled(request))
		done = storage->file->f_op->write_iter(&kiocb, &iter);
	file_end_write(storage->file);
	return done;
}

/* All of it but the first bytes. */
static void clear_part(struct part *part, size_t first)
{
	unsigned int i;

	for (i = 0; i < part->count; i++) {
		struct bio_vec *vec = &part->vecs[i];
		size_t kept = min_t(size_t, first, vec->bv_len);

		memset(page_address(vec->bv_page) + vec->bv_offset + kept, 0, vec->bv_len - kept);
		first -= kept;
	}
}

static int read_all(struct os_storage *storage, struct os_storage_request *request)
{
	struct part part;
	u64 from = 0;

	while (from < request->length) {
		ssize_t done;

		if (storage_is_cancelled(request))
			return -ECANCELED;
		take_part(&part, request, from);
		if (!part.bytes)
			return -EINVAL;
		done = read_part(storage, &part, request->offset + from, 0);
		if (done < 0)
			return done;
		/* There is nothing more; direct reads go on at whole blocks only. */
		if (!done || request->offset + from + done >= file_size(storage)) {
			clear_part(&part, done);
			done = part.bytes;
		}
		from += done;
	}
	return 0;
}

/*
 * Brings to the device what was written from byte @from to @last. The kernel tells one caller of a
 * write-back that has failed, for all of the file; another one finds the state changed since @since.
 */
static int write_back(struct os_storage *storage, struct os_storage_request *request, loff_t from,
		      loff_t last, errseq_t since)
{
	int err = vfs_fsync_range(storage->file, from, last, 1);

	if (!err)
		err = filemap_check_wb_err(storage->file->f_mapping, since);
	request->write_back_failed = !!err;
	return err;
}

static int write_all(struct os_storage *storage, struct os_storage_request *request)
{
	struct part part;
	u64 from = 0;

	while (from < request->length) {
		ssize_t done;

		if (storage_is_cancelled(request))
			return -ECANCELED;
		take_part(&part, request, from);
		if (!part.bytes)
			return -EINVAL;
		done = write_part(storage, request, &part, request->offset + from);
		if (done <= 0)
			return done ? done : -EIO;
		from += done;
	}
	return 0;
}

static int write_data(struct os_storage *storage, struct os_storage_request *request)
{
	errseq_t since = filemap_sample_wb_err(storage->file->f_mapping);
	int err = write_all(storage, request);

	if (err || !(request->flags & OS_STORAGE_FUA) || !request->length)
		return err;
	return write_back(storage, request, request->offset, request->offset + request->length - 1,
			  since);
}

/* Whoever has been told of an error may not have passed it on yet. */
static int flush(struct os_storage *storage, struct os_storage_request *request)
{
	return write_back(storage, request, 0, LLONG_MAX, READ_ONCE(storage->known));
}

/*
 * What is in memory, at once; or nothing. Without IOCB_NOIO a cold read would still begin to read
 * ahead here, which waits for memory and for tags. A device takes its lock even so, and may have it
 * for as long as it clears blocks.
 */
static bool file_submit(struct os_storage *storage, struct os_storage_request *request)
{
	struct part part;

	if (request->operation != OS_STORAGE_READ || storage->direct || !(storage->file->f_mode & FMODE_NOWAIT) ||
	    !S_ISREG(storage->file->f_mapping->host->i_mode))
		return false;
	take_part(&part, request, 0);
	if (part.bytes != request->length)
		return false;
	if (read_part(storage, &part, request->offset, IOCB_NOWAIT | IOCB_NOIO) !=
	    (ssize_t)part.bytes)
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

		if (storage_is_cancelled(request))
			return -ECANCELED;
		part.bytes = 0;
		for (part.count = 0; part.count < VECS && from + part.bytes < request->length;
		     part.count++) {
			struct bio_vec *vec = &part.vecs[part.count];

			vec->bv_page = ZERO_PAGE(0);
			vec->bv_offset = 0;
			vec->bv_len = min_t(u64, PAGE_SIZE, request->length - from - part.bytes);
			part.bytes += vec->bv_len;
		}
		done = write_part(storage, request, &part, request->offset + from);
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

/* The kernel reads at most its window for one advice. */
static int fetch(struct os_storage *storage, struct os_storage_request *request)
{
	u64 window = max_t(u64, PAGE_SIZE, (u64)storage->file->f_ra.ra_pages << PAGE_SHIFT);
	u64 from = 0;
	int err = 0;

	while (!err && from < request->length) {
		u64 bytes = min(window, request->length - from);

		if (storage_is_cancelled(request))
			return -ECANCELED;
		err = vfs_fadvise(storage->file, request->offset + from, bytes,
				  POSIX_FADV_WILLNEED);
		from += bytes;
	}
	return err;
}

/* A file may have been cut off since the request was made. */
static bool is_beyond_end(struct os_storage *storage, const struct os_storage_request *request)
{
	u64 size = file_size(storage);

	return request->offset > size || request->length > size - request->offset;
}

static int perform(struct os_storage *storage, struct os_storage_request *request)
{
	if ((request->operation == OS_STORAGE_WRITE || request->operation == OS_STORAGE_ZERO) &&
	    is_beyond_end(storage, request))
		return -EIO;
	switch (request->operation) {
	case OS_STORAGE_READ:
		return read_all(storage, request);
	case OS_STORAGE_WRITE:
		return write_data(storage, request);
	case OS_STORAGE_FLUSH:
		return flush(storage, request);
	case OS_STORAGE_DISCARD:
		return punch(storage, request);
	case OS_STORAGE_ZERO:
		return zero(storage, request);
	case OS_STORAGE_MAP:
		return map(storage, request);
	case OS_STORAGE_PREFETCH:
		return fetch(storage, request);
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
	.flags = file_flags,
	.used = file_used,
};
