/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CHAP names and secrets as fp_chap_info_get() exchanges them.
 */
#ifndef ISCSI_CHAP_H
#define ISCSI_CHAP_H

#include "chiscsi_spellings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bits of chap_info.flag. "Local" is the target, "remote" the initiator. */
#define CHAP_FLAG_LOCAL_NAME_VALID 0x1
#define CHAP_FLAG_LOCAL_SECRET_VALID 0x2
#define CHAP_FLAG_REMOTE_NAME_VALID 0x4
#define CHAP_FLAG_REMOTE_SECRET_VALID 0x8
#define CHAP_FLAG_MUTUAL_REQUIRED 0x10
#define CHAP_FLAG_MUTUAL_CHAP_REQUIRED CHAP_FLAG_MUTUAL_REQUIRED

/* Sizes of the arrays below, in bytes. */
#define CHAP_SECRET_MAX 16
#define CHAP_NAME_MAX 256

/**
 * struct chap_info - CHAP credentials of one login.
 * @flag: CHAP_FLAG_* bits that say which members hold something
 * @local_secret_length: bytes used in @local_secret, at most 16
 * @remote_secret_length: bytes used in @remote_secret, at most 16
 * @filler: keeps the arrays aligned, 0
 * @local_secret: secret the target proves itself with (mutual CHAP)
 * @local_name: name the target sends with that proof, NUL-terminated
 * @remote_secret: secret the initiator must know
 * @remote_name: the CHAP_N value the initiator sent, NUL-terminated
 *
 * Secrets are counted, not terminated. A length above 16 is an error and ends
 * the login; longer secrets can only come from the configuration file.
 * A driver must not use one secret for both directions (RFC 7143 9.2.1).
 *
 * Source: Guide 5.1.4, 7.3.1.3
 */
struct chap_info {
	unsigned char flag;
	unsigned char local_secret_length;
	unsigned char remote_secret_length;
	unsigned char filler;
	unsigned char local_secret[CHAP_SECRET_MAX];
	unsigned char local_name[CHAP_NAME_MAX];
	unsigned char remote_secret[CHAP_SECRET_MAX];
	unsigned char remote_name[CHAP_NAME_MAX];
};
typedef struct chap_info chap_info;

#ifdef __cplusplus
}
#endif

#endif /* ISCSI_CHAP_H */
