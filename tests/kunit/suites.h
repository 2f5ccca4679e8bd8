/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The suites of chiscsi_kunit.ko, for its list in module.c.
 */
#ifndef CHISCSI_KUNIT_SUITES_H
#define CHISCSI_KUNIT_SUITES_H

#include <kunit/test.h>

extern struct kunit_suite chunk_suite;
extern struct kunit_suite digest_suite;
extern struct kunit_suite memory_suite;
extern struct kunit_suite race_suite;
extern struct kunit_suite send_suite;
extern struct kunit_suite socket_suite;
extern struct kunit_suite thread_suite;

#endif
