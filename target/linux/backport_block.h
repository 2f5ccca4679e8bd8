/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening a block device for oneself, which has had four forms. See backport.h for how the kernel's
 * form is found. Contains no logic of its own.
 */
#ifndef CHISCSI_BACKPORT_BLOCK_H
#define CHISCSI_BACKPORT_BLOCK_H

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/file.h>

#ifdef CHISCSI_HAVE_BDEV_FILE_OPEN
/* Since 6.9 an open device is a file. */
static inline struct block_device *block_claim(const char *path, bool read_only, void *holder,
					       void **handle)
{
	blk_mode_t mode = BLK_OPEN_READ | (read_only ? 0 : BLK_OPEN_WRITE);
	struct file *file = bdev_file_open_by_path(path, mode, holder, NULL);

	*handle = file;
	return IS_ERR(file) ? ERR_CAST(file) : file_bdev(file);
}

static inline void block_release(struct block_device *bdev, void *handle, void *holder)
{
	fput(handle);
}
#elif defined(CHISCSI_HAVE_BDEV_OPEN_HANDLE)
/* In 6.7 and 6.8 there was a handle. */
static inline struct block_device *block_claim(const char *path, bool read_only, void *holder,
					       void **handle)
{
	blk_mode_t mode = BLK_OPEN_READ | (read_only ? 0 : BLK_OPEN_WRITE);
	struct bdev_handle *open = bdev_open_by_path(path, mode, holder, NULL);

	*handle = open;
	return IS_ERR(open) ? ERR_CAST(open) : open->bdev;
}

static inline void block_release(struct block_device *bdev, void *handle, void *holder)
{
	bdev_release(handle);
}
#elif defined(CHISCSI_HAVE_BLKDEV_PUT_HOLDER)
/* In 6.5 and 6.6 the holder alone said that it is for oneself. */
static inline struct block_device *block_claim(const char *path, bool read_only, void *holder,
					       void **handle)
{
	blk_mode_t mode = BLK_OPEN_READ | (read_only ? 0 : BLK_OPEN_WRITE);

	return blkdev_get_by_path(path, mode, holder, NULL);
}

static inline void block_release(struct block_device *bdev, void *handle, void *holder)
{
	blkdev_put(bdev, holder);
}
#else
/* Before, the mode did, and had to be the same at the end. */
static inline struct block_device *block_claim(const char *path, bool read_only, void *holder,
					       void **handle)
{
	fmode_t mode = FMODE_READ | FMODE_EXCL | (read_only ? 0 : FMODE_WRITE);

	*handle = (void *)(unsigned long)mode;
	return blkdev_get_by_path(path, mode, holder);
}

static inline void block_release(struct block_device *bdev, void *handle, void *holder)
{
	blkdev_put(bdev, (fmode_t)(unsigned long)handle);
}
#endif

#endif
