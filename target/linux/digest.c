// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checksums and hashes of the kernel for the engine: implements include/os/digest.h.
 *
 * Called by the engine on any thread, os_crc32c() in any context. The hashes are looked up once,
 * when the module is loaded; one that the kernel does not have, or does not allow (FIPS), is simply
 * not offered. Never loads a module or allocates memory after that.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/kernel.h>
#ifdef CHISCSI_HAVE_CRC32C_LIB
#include <linux/crc32.h>
#else
#include <linux/crc32c.h>
#endif
#include <crypto/hash.h>

#include "os/digest.h"
#include "target/linux/glue.h"

#define CRC_STEP BIT(30) /* crc32c() counts in an unsigned int. */

static struct {
	int algorithm;
	const char *name;
	struct crypto_shash *shash;
} hashes[] = {
	{ OS_HASH_MD5, "md5" },
	{ OS_HASH_SHA1, "sha1" },
	{ OS_HASH_SHA256, "sha256" },
	{ OS_HASH_SHA3_256, "sha3-256" },
};

u32 os_crc32c(u32 crc, const void *data, size_t size)
{
	while (size > CRC_STEP) {
		crc = crc32c(crc, data, CRC_STEP);
		data += CRC_STEP;
		size -= CRC_STEP;
	}
	return crc32c(crc, data, size);
}

static struct crypto_shash *find_hash(int algorithm)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hashes); i++)
		if (hashes[i].algorithm == algorithm)
			return hashes[i].shash;
	return NULL;
}

size_t os_hash_size(int algorithm)
{
	struct crypto_shash *shash = find_hash(algorithm);

	return shash ? crypto_shash_digestsize(shash) : 0;
}

int os_hash(int algorithm, const struct os_hash_part *parts, size_t count, u8 *digest)
{
	struct crypto_shash *shash = find_hash(algorithm);
	int err;

	if (!shash)
		return -EOPNOTSUPP;

	SHASH_DESC_ON_STACK(desc, shash);

	desc->tfm = shash;
	err = crypto_shash_init(desc);
	for (; !err && count; count--, parts++)
		err = crypto_shash_update(desc, parts->data, parts->size);
	if (!err)
		err = crypto_shash_final(desc, digest);
	shash_desc_zero(desc);
	return err;
}

void os_digest_start(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hashes); i++) {
		struct crypto_shash *shash = crypto_alloc_shash(hashes[i].name, 0, 0);

		hashes[i].shash = IS_ERR(shash) ? NULL : shash;
	}
}

void os_digest_stop(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hashes); i++) {
		crypto_free_shash(hashes[i].shash);
		hashes[i].shash = NULL;
	}
}
