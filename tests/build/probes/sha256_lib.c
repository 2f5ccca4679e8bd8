/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_SHA256_LIB: sha256() as a library call. symbol: sha256
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <crypto/sha2.h>

void probe(const u8 *d, u8 *out);
void probe(const u8 *d, u8 *out)
{
	sha256(d, 4, out);
}
