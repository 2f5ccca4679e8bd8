/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_CRC32C_LIB: crc32c() in <linux/crc32.h> (6.15+), no libcrc32c module.
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/crc32.h>

u32 probe(const void *p);
u32 probe(const void *p)
{
	return crc32c(0, p, 4);
}
