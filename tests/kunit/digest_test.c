// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of include/os/digest.h and include/os/log.h on Linux: known answers of CRC32C
 * (RFC 7143 appendix A.4) and of the four CHAP hashes (RFC 1321, FIPS 180-4, FIPS 202), the same
 * answer for every way to cut the input, and random numbers that are not constant.
 */
#include <kunit/test.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "os/digest.h"
#include "os/log.h"
#include "target/linux/glue.h"
#include "context.h"
#include "suites.h"

/* --- CRC32C ------------------------------------------------------------------------------- */

static u32 crc32c_of(const void *data, size_t size)
{
	return ~os_crc32c(~0u, data, size);
}

static void crc32c_gives_the_rfc_answers(struct kunit *test)
{
	static const u8 read_command[48] = {
		0x01, 0xc0, 0x00, 0x00, [16] = 0x14, [22] = 0x04, [27] = 0x14,
		[31] = 0x18, [32] = 0x28, [40] = 0x02,
	};
	u8 data[32];
	int i;

	KUNIT_EXPECT_EQ(test, crc32c_of("123456789", 9), 0xe3069283u);
	memset(data, 0, sizeof(data));
	KUNIT_EXPECT_EQ(test, crc32c_of(data, 32), 0x8a9136aau);
	memset(data, 0xff, sizeof(data));
	KUNIT_EXPECT_EQ(test, crc32c_of(data, 32), 0x62a8ab43u);
	for (i = 0; i < 32; i++)
		data[i] = i;
	KUNIT_EXPECT_EQ(test, crc32c_of(data, 32), 0x46dd794eu);
	for (i = 0; i < 32; i++)
		data[i] = 31 - i;
	KUNIT_EXPECT_EQ(test, crc32c_of(data, 32), 0x113fdb5cu);
	KUNIT_EXPECT_EQ(test, crc32c_of(read_command, 48), 0xd9963a56u);
}

static void crc32c_of_nothing_changes_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, os_crc32c(0x12345678, "", 0), 0x12345678u);
	KUNIT_EXPECT_EQ(test, os_crc32c(0x12345678, NULL, 0), 0x12345678u);
}

static u32 crc32c_by_bits(const u8 *data, size_t size)
{
	u32 crc = ~0u;
	int bit;

	while (size--) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static void crc32c_agrees_for_each_length_offset_and_cut(struct kunit *test)
{
	u8 *data = kunit_kmalloc(test, 4200, GFP_KERNEL);
	size_t size, cut;

	KUNIT_ASSERT_NOT_NULL(test, data);
	os_random(data, 4200);
	for (size = 0; size <= 4100; size += size < 300 ? 1 : 61) {
		const u8 *from = data + size % 64;
		u32 expected = crc32c_by_bits(from, size);

		KUNIT_ASSERT_EQ_MSG(test, os_crc32c(~0u, from, size), expected, "%zu bytes", size);
		cut = size / 3;
		KUNIT_ASSERT_EQ_MSG(test,
				    os_crc32c(os_crc32c(~0u, from, cut), from + cut, size - cut),
				    expected, "%zu bytes, cut at %zu", size, cut);
	}
}

static void crc_in_atomic_context(void *argument)
{
	*(u32 *)argument = crc32c_of("123456789", 9);
}

static void crc32c_works_in_any_context(struct kunit *test)
{
	u32 soft = 0, hard = 0;

	run_in_softirq(crc_in_atomic_context, &soft);
	run_in_hardirq(crc_in_atomic_context, &hard);
	KUNIT_EXPECT_EQ(test, soft, 0xe3069283u);
	KUNIT_EXPECT_EQ(test, hard, 0xe3069283u);
}

/* --- hashes ------------------------------------------------------------------------------- */

struct hash_answer {
	int algorithm;
	size_t size;
	const char *empty;
	const char *abc;
	const char *two_hundred_a;
};

static const struct hash_answer answers[] = {
	{ OS_HASH_MD5, 16,
	  "d41d8cd98f00b204e9800998ecf8427e",
	  "900150983cd24fb0d6963f7d28e17f72",
	  "887f30b43b2867f4a9accceee7d16e6c" },
	{ OS_HASH_SHA1, 20,
	  "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	  "a9993e364706816aba3e25717850c26c9cd0d89d",
	  "e61cfffe0d9195a525fc6cf06ca2d77119c24a40" },
	{ OS_HASH_SHA256, 32,
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	  "c2a908d98f5df987ade41b5fce213067efbcc21ef2240212a41e54b5e7c28ae5" },
	{ OS_HASH_SHA3_256, 32,
	  "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
	  "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
	  "cce34485baf2bf2aca99b94833892a4f52896d3d153f7b840cc4f9fe695f1387" },
};

/* Compares a digest with its text, and checks that nothing beyond it was written. */
static void expect_digest(struct kunit *test, const struct hash_answer *answer,
			  const struct os_hash_part *parts, size_t count, const char *expected)
{
	u8 digest[OS_HASH_MAX_SIZE + 1];
	char text[2 * OS_HASH_MAX_SIZE + 1];

	memset(digest, 0xee, sizeof(digest));
	KUNIT_ASSERT_EQ_MSG(test, os_hash(answer->algorithm, parts, count, digest), 0,
			    "algorithm %d", answer->algorithm);
	KUNIT_EXPECT_EQ(test, digest[OS_HASH_MAX_SIZE], 0xee);
	snprintf(text, sizeof(text), "%*phN", (int)answer->size, digest);
	KUNIT_EXPECT_STREQ_MSG(test, (const char *)text, expected, "algorithm %d",
			       answer->algorithm);
}

static void hashes_give_the_known_answers(struct kunit *test)
{
	char long_text[200];
	struct os_hash_part abc = { "abc", 3 };
	struct os_hash_part nothing = { "", 0 };
	struct os_hash_part two_hundred = { long_text, sizeof(long_text) };
	size_t i;

	memset(long_text, 'a', sizeof(long_text));
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		const struct hash_answer *answer = &answers[i];

		KUNIT_EXPECT_EQ(test, os_hash_size(answer->algorithm), answer->size);
		expect_digest(test, answer, NULL, 0, answer->empty);
		expect_digest(test, answer, &nothing, 1, answer->empty);
		expect_digest(test, answer, &abc, 1, answer->abc);
		expect_digest(test, answer, &two_hundred, 1, answer->two_hundred_a);
	}
}

static void hashes_do_not_depend_on_the_cut(struct kunit *test)
{
	char text[200];
	size_t i, cut;

	memset(text, 'a', sizeof(text));
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		for (cut = 0; cut <= sizeof(text); cut += 7) {
			struct os_hash_part parts[] = {
				{ text, cut / 2 },
				{ text, cut - cut / 2 },
				{ text, 0 },
				{ text, sizeof(text) - cut },
			};

			expect_digest(test, &answers[i], parts, ARRAY_SIZE(parts),
				      answers[i].two_hundred_a);
		}
	}
}

static void unknown_hashes_are_refused(struct kunit *test)
{
	static const int unknown[] = { 0, 4, 9, 255, -1, INT_MAX, INT_MIN };
	struct os_hash_part part = { "abc", 3 };
	u8 digest[OS_HASH_MAX_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		KUNIT_EXPECT_EQ(test, os_hash_size(unknown[i]), (size_t)0);
		KUNIT_EXPECT_LT(test, os_hash(unknown[i], &part, 1, digest), 0);
	}
}

/* --- random numbers and the log ------------------------------------------------------------- */

static void random_bytes_differ(struct kunit *test)
{
	u8 first[64] = {}, second[64] = {}, all = 0;
	size_t i;

	os_random(first, sizeof(first));
	os_random(second, sizeof(second));
	KUNIT_EXPECT_NE(test, memcmp(first, second, sizeof(first)), 0);
	for (i = 0; i < sizeof(first); i++)
		all |= first[i] ^ first[0];
	KUNIT_EXPECT_NE(test, all, 0);
}

static void random_fills_exactly_what_was_asked(struct kunit *test)
{
	u8 buffer[40];
	size_t size, i;

	for (size = 0; size < 32; size++) {
		bool changed = size < 8;

		memset(buffer, 0, sizeof(buffer));
		os_random(buffer + 4, size);
		for (i = 0; i < size; i++)
			changed |= buffer[4 + i];
		KUNIT_EXPECT_TRUE(test, changed);
		KUNIT_EXPECT_PTR_EQ(test, memchr_inv(buffer, 0, 4), NULL);
		KUNIT_EXPECT_PTR_EQ(test, memchr_inv(buffer + 4 + size, 0, 36 - size), NULL);
	}
}

static void use_random(void *argument)
{
	os_random(argument, 1);
}

static void use_log(void *argument)
{
	os_log(OS_LOG_DEBUG, "a line from a test, number %d", 1);
	os_log_limited(OS_LOG_DEBUG, "a line from a test, number %d", 2);
}

static void log_and_random_work_in_interrupts(struct kunit *test)
{
	u8 byte;
	int i;

	/* The kernel's generator takes a lock that must not be taken in hard interrupts. */
	run_in_softirq(use_random, &byte);
	run_in_softirq(use_log, NULL);
	run_in_hardirq(use_log, NULL);
	os_log(OS_LOG_INFO, "%.*s", 4, "name and more");
	for (i = 0; i < 1000; i++)
		os_log_limited(OS_LOG_DEBUG, "flood, line %d", i);
}

static struct kunit_case digest_cases[] = {
	KUNIT_CASE(crc32c_gives_the_rfc_answers),
	KUNIT_CASE(crc32c_of_nothing_changes_nothing),
	KUNIT_CASE(crc32c_agrees_for_each_length_offset_and_cut),
	KUNIT_CASE(crc32c_works_in_any_context),
	KUNIT_CASE(hashes_give_the_known_answers),
	KUNIT_CASE(hashes_do_not_depend_on_the_cut),
	KUNIT_CASE(unknown_hashes_are_refused),
	KUNIT_CASE(random_bytes_differ),
	KUNIT_CASE(random_fills_exactly_what_was_asked),
	KUNIT_CASE(log_and_random_work_in_interrupts),
	{}
};

/* The port looks the hashes up when a module starts; KUnit may run before our module_init(). */
static int digest_suite_start(struct kunit_suite *suite)
{
	os_digest_start();
	return 0;
}

static void digest_suite_end(struct kunit_suite *suite)
{
	os_digest_stop();
}

struct kunit_suite digest_suite = {
	.name = "os_digest",
	.suite_init = digest_suite_start,
	.suite_exit = digest_suite_end,
	.test_cases = digest_cases,
};
