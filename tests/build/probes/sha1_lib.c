/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_SHA1_LIB: sha1() as a library call (6.17+).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <crypto/sha1.h>

void probe(const u8 *d, u8 *out);
void probe(const u8 *d, u8 *out)
{
	sha1(d, 4, out);
}
