/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_BDEV_FILE_OPEN: bdev_file_open_by_path() (6.9+). symbol: bdev_file_open_by_path
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/blkdev.h>

struct file *probe(const char *p, void *h);
struct file *probe(const char *p, void *h)
{
	return bdev_file_open_by_path(p, BLK_OPEN_READ, h, NULL);
}
