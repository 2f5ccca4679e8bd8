/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Log lines and random numbers of the host. See os/memory.h for what this contract is.
 *
 * Text from the wire is printed only by "%.*s" after os_printable() or with a validated name, never
 * as a format. Lines that a peer or a storage driver can cause go through os_log_limited().
 */
#ifndef CHISCSI_OS_LOG_H
#define CHISCSI_OS_LOG_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OS_LOG_ERROR 3
#define OS_LOG_WARNING 4
#define OS_LOG_INFO 6
#define OS_LOG_DEBUG 7

/** os_log() - one line to the kernel log, "chiscsi: " and the newline are added. Context: any. */
void os_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * os_log_limited() - like os_log(), but dropped (and counted) when there are too many: in 5 s, 100 of
 * OS_LOG_INFO and 20 of all others.
 */
void os_log_limited(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bits of os_select_log(). */
#define OS_LOG_BIT_ERROR 0x1u
#define OS_LOG_BIT_WARNING 0x2u
#define OS_LOG_BIT_INFO 0x4u
#define OS_LOG_BIT_DEBUG 0x8u
/**
 * os_select_log() - which lines are printed at all, from now on; debug lines are off otherwise.
 * @mask: OS_LOG_BIT_*. At the start all but debug lines. Context: any.
 */
void os_select_log(uint32_t mask);

/** os_random() - fills @buffer from the kernel's cryptographic generator. Context: any. */
void os_random(void *buffer, size_t size);

/** os_check_failed() - reports a broken CHISCSI_CHECK(); the caller traps after it. */
void os_check_failed(const char *condition, const char *file, int line);

#ifdef __cplusplus
}
#endif
#endif
