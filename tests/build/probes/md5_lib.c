/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_MD5_LIB: md5() as a library call (6.18+).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <crypto/md5.h>

void probe(const u8 *d, u8 *out);
void probe(const u8 *d, u8 *out)
{
	md5(d, 4, out);
}
