/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_BDEV_OPEN_HANDLE: bdev_open_by_path() with a handle (6.7 and 6.8). symbol: bdev_open_by_path
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/blkdev.h>

struct bdev_handle *probe(const char *p, void *h);
struct bdev_handle *probe(const char *p, void *h)
{
	return bdev_open_by_path(p, BLK_OPEN_READ, h, NULL);
}
