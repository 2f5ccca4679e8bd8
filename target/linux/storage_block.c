// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block devices by the block layer: bios straight over the pages of a request.
 *
 * A request that fits into one bio is submitted in the caller's thread if the device promises not
 * to wait for a free tag; whatever may wait goes to a thread of the storage. A bio ends in
 * interrupt context, and with it the request: the engine's calls at that point take raw spin locks
 * only. Bios come from a pool of our own, so there is always one to go on with.
 */
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/err.h>

#include "target/linux/backport_block.h"
#include "target/linux/storage.h"

#define BIOS_IN_RESERVE 64

static struct bio_set bios;

int storage_block_start(void)
{
	return bioset_init(&bios, BIOS_IN_RESERVE, 0, BIOSET_NEED_BVECS);
}

void storage_block_stop(void)
{
	bioset_exit(&bios);
}

/* ---- Open ---- */

static void describe(struct block_device *bdev, struct os_storage_facts *facts)
{
	facts->block_size = bdev_logical_block_size(bdev);
	facts->physical_size = bdev_physical_block_size(bdev);
	facts->optimal_size = bdev_io_opt(bdev);
	facts->discard_granularity = bdev_discard_granularity(bdev);
	facts->flags |= OS_STORAGE_BLOCK_DEVICE;
	facts->identity[0] = ~0ULL;
	facts->identity[1] = bdev->bd_dev;
	if (bdev_read_only(bdev))
		facts->flags |= OS_STORAGE_READ_ONLY;
	if (bdev_write_cache(bdev))
		facts->flags |= OS_STORAGE_VOLATILE_CACHE;
	if (!bdev_nonrot(bdev))
		facts->flags |= OS_STORAGE_ROTATIONAL;
	if (bdev_max_discard_sectors(bdev)) {
		facts->discard_alignment = bdev_discard_alignment(bdev);
		facts->flags |= OS_STORAGE_CAN_DISCARD;
	}
}

static u32 device_flags(struct os_storage *storage)
{
	return (bdev_read_only(storage->bdev) ? OS_STORAGE_READ_ONLY : 0) |
	       (bdev_write_cache(storage->bdev) ? OS_STORAGE_VOLATILE_CACHE : 0);
}

/* Only while nobody takes the device apart may it be asked for its tags. */
static bool driver_never_waits(struct block_device *bdev)
{
	struct request_queue *queue = bdev_get_queue(bdev);

	return queue_is_mq(queue) && !(queue->tag_set->flags & BLK_MQ_F_BLOCKING);
}

static int block_open(struct os_storage *storage, const char *path, unsigned int flags,
		      struct os_storage_facts *facts)
{
	bool read_only = flags & OS_STORAGE_OPEN_READ_ONLY;
	struct block_device *bdev = block_claim(path, read_only, storage, &storage->handle);
	int err;

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	err = storage_write_out(bdev);
	if (err) {
		block_release(bdev, storage->handle, storage);
		return err;
	}
	storage->bdev = bdev;
	storage->never_waits = driver_never_waits(bdev);
	describe(bdev, facts);
	if (read_only)
		facts->flags |= OS_STORAGE_READ_ONLY;
	return 0;
}

static void block_close(struct os_storage *storage)
{
	block_release(storage->bdev, storage->handle, storage);
}

static u64 device_size(struct os_storage *storage)
{
	return bdev_nr_bytes(storage->bdev);
}

/* ---- Reads, writes and flushes ---- */

/* A flush that was not begun may be repeated. After any other the device may have lost something. */
static bool loses_writes(const struct os_storage_request *request, int error)
{
	return request->operation == OS_STORAGE_FLUSH && error && error != -ENOMEM &&
	       error != -EBADE && error != -EAGAIN && error != -EBUSY && error != -ECANCELED &&
	       error != -EOPNOTSUPP;
}

static void end_part(struct os_storage_request *request, int error)
{
	struct storage_slot *slot = storage_slot(request);

	if (error)
		cmpxchg(&slot->error, 0, error);
	if (!atomic_dec_and_test(&slot->pending))
		return;
	request->write_back_failed = loses_writes(request, slot->error);
	storage_ended(slot->storage, request, slot->error);
}

static void on_bio_end(struct bio *bio)
{
	struct os_storage_request *request = bio->bi_private;
	bool again = bio->bi_status == BLK_STS_AGAIN && (bio->bi_opf & REQ_NOWAIT);
	int error = blk_status_to_errno(bio->bi_status);

	bio_put(bio);
	if (again)
		storage_defer(storage_slot(request)->storage, request);
	else
		end_part(request, error);
}

static blk_opf_t operation_of(const struct os_storage_request *request)
{
	if (request->operation == OS_STORAGE_READ)
		return REQ_OP_READ;
	if (request->operation == OS_STORAGE_FLUSH)
		return REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC;
	return REQ_OP_WRITE | REQ_SYNC | REQ_IDLE |
	       (request->flags & OS_STORAGE_FUA ? REQ_FUA : 0);
}

/**
 * struct place - how far a request is turned into bios.
 * @index: element of its list
 * @skip: bytes of that element that are done
 * @offset: byte of the device
 * @left: bytes to do
 */
struct place {
	u32 index;
	u64 skip;
	u64 offset;
	u64 left;
};

static struct place first_place(const struct os_storage_request *request)
{
	struct place place = {
		.skip = request->data_skip,
		.offset = request->offset,
		.left = request->length,
	};

	while (place.index < request->data_count &&
	       place.skip >= request->data[place.index].sg_length)
		place.skip -= request->data[place.index++].sg_length;
	return place;
}

static void fill_bio(struct bio *bio, const struct os_storage_request *request,
		     struct place *place)
{
	while (place->left && place->index < request->data_count) {
		const struct chiscsi_sgvec *element = &request->data[place->index];
		u32 here = min_t(u64, element->sg_length - place->skip, place->left);

		if (bio_add_page(bio, element->sg_page, here,
				 element->sg_offset + place->skip) != here)
			return;
		place->left -= here;
		place->offset += here;
		place->skip = 0;
		place->index++;
	}
}

/* One bio with as much as fits, or NULL when none is to be had without waiting. */
static struct bio *make_bio(struct os_storage *storage, struct os_storage_request *request,
			    struct place *place, blk_opf_t operation, gfp_t gfp)
{
	u32 elements = min_t(u32, request->data_count - place->index, BIO_MAX_VECS);
	struct bio *bio = bio_alloc_bioset(storage->bdev, elements, operation, gfp, &bios);

	if (!bio)
		return NULL;
	bio->bi_iter.bi_sector = place->offset >> SECTOR_SHIFT;
	bio->bi_private = request;
	bio->bi_end_io = on_bio_end;
	fill_bio(bio, request, place);
	return bio;
}

/*
 * What takes part of a bio-based device waits wherever it likes, so only queues are trusted; and of
 * these only those whose driver does not sleep when it is given a request.
 */
static bool never_waits(const struct os_storage *storage)
{
	return storage->never_waits && bdev_nowait(storage->bdev);
}

static bool moves_data(const struct os_storage_request *request)
{
	return request->operation == OS_STORAGE_READ || request->operation == OS_STORAGE_WRITE;
}

static bool block_submit(struct os_storage *storage, struct os_storage_request *request)
{
	struct place place = first_place(request);
	struct bio *bio;

	if (!moves_data(request) || request->data_count - place.index > BIO_MAX_VECS ||
	    !never_waits(storage))
		return false;
	bio = make_bio(storage, request, &place, operation_of(request) | REQ_NOWAIT,
		       GFP_NOWAIT | __GFP_NOWARN);
	if (!bio)
		return false;
	atomic_set(&storage_slot(request)->pending, 1);
	submit_bio(bio);
	return true;
}

static void submit_all(struct os_storage *storage, struct os_storage_request *request)
{
	struct place place = first_place(request);
	struct blk_plug plug;
	int error = 0;

	atomic_set(&storage_slot(request)->pending, 1);
	blk_start_plug(&plug);
	do {
		u64 before = place.left;
		struct bio *bio;

		if (storage_is_cancelled(request)) {
			error = -ECANCELED;
			break;
		}
		bio = make_bio(storage, request, &place, operation_of(request), GFP_NOIO);
		if (before && place.left == before) {
			/* A list that is shorter than the request. */
			bio_put(bio);
			error = -EINVAL;
			break;
		}
		atomic_inc(&storage_slot(request)->pending);
		submit_bio(bio);
	} while (place.left);
	blk_finish_plug(&plug);
	end_part(request, error);
}

/* ---- What the block layer does by itself, and waits for ---- */

static int discard(struct os_storage *storage, struct os_storage_request *request)
{
	return blkdev_issue_discard(storage->bdev, request->offset >> SECTOR_SHIFT,
				    request->length >> SECTOR_SHIFT, GFP_NOIO);
}

static int zero(struct os_storage *storage, struct os_storage_request *request)
{
	unsigned int flags = request->flags & OS_STORAGE_UNMAP ? 0 : BLKDEV_ZERO_NOUNMAP;

	return blkdev_issue_zeroout(storage->bdev, request->offset >> SECTOR_SHIFT,
				    request->length >> SECTOR_SHIFT, GFP_NOIO, flags);
}

static void block_work(struct os_storage *storage, struct os_storage_request *request)
{
	switch (request->operation) {
	case OS_STORAGE_READ:
	case OS_STORAGE_WRITE:
	case OS_STORAGE_FLUSH:
		submit_all(storage, request);
		return;
	case OS_STORAGE_DISCARD:
		storage_ended(storage, request, discard(storage, request));
		return;
	case OS_STORAGE_ZERO:
		storage_ended(storage, request, zero(storage, request));
		return;
	default:
		storage_ended(storage, request, -EOPNOTSUPP);
	}
}

const struct storage_kind storage_block_kind = {
	.open = block_open,
	.close = block_close,
	.submit = block_submit,
	.work = block_work,
	.size = device_size,
	.flags = device_flags,
};
