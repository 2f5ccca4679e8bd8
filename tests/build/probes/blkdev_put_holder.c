/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_BLKDEV_PUT_HOLDER: blkdev_put(bdev, holder) (6.5 and 6.6). symbol: blkdev_put
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/blkdev.h>

void probe(struct block_device *b, void *h);
void probe(struct block_device *b, void *h)
{
	struct block_device *(*get)(const char *, blk_mode_t, void *,
				    const struct blk_holder_ops *) = blkdev_get_by_path;

	(void)get;
	blkdev_put(b, h);
}
