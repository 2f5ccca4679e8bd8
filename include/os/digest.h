/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checksums and hashes of the host. See os/memory.h for what this contract is.
 */
#ifndef CHISCSI_OS_DIGEST_H
#define CHISCSI_OS_DIGEST_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * os_crc32c() - continues a CRC32C (Castagnoli) without any inversion.
 * @crc: ~0 at the start, then the value returned; the digest on the wire is the final value
 *	inverted, least significant byte first (RFC 7143 section 13.1)
 * Context: any.
 */
uint32_t os_crc32c(uint32_t crc, const void *data, size_t size);

/* Hash algorithms by their CHAP_A number (RFC 7143 section 12.1.3, IANA PPP algorithms). */
#define OS_HASH_MD5 5
#define OS_HASH_SHA1 6
#define OS_HASH_SHA256 7
#define OS_HASH_SHA3_256 8
#define OS_HASH_MAX_SIZE 32

struct os_hash_part {
	const void *data;
	size_t size;
};

/** os_hash_size() - the digest's bytes, or 0 when the host does not offer @algorithm (FIPS). */
size_t os_hash_size(int algorithm);

/**
 * os_hash() - the digest of several parts, one after the other.
 * Return: 0, or a negative errno; @digest has room for OS_HASH_MAX_SIZE. Context: process.
 */
int os_hash(int algorithm, const struct os_hash_part *parts, size_t count, uint8_t *digest);

#ifdef __cplusplus
}
#endif
#endif
