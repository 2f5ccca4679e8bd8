// SPDX-License-Identifier: GPL-2.0-only
/*
 * chiscsi_kunit.ko: the Linux port of include/os and its KUnit tests in one module.
 *
 * The suites run while the module is loaded. KUnit's own list of a module's suites runs before the
 * module has its parameters and was started, so the list is here. What the port has running is ended
 * in the order that target/linux/glue.h gives. Contains no engine and exports nothing. Loaded by
 * tests/kunit/run only.
 */
#include <linux/module.h>

#include "suites.h"
#include "target/linux/glue.h"

static struct kunit_suite *suites[] = {
	&chunk_suite,
	&digest_suite,
	&memory_suite,
	&race_suite,
	&send_suite,
	&socket_suite,
	&thread_suite,
};

static int __init kunit_start(void)
{
	int err = os_socket_start();

	/* Failures are in the results; the module is there all the same. */
	return err ? err : __kunit_test_suites_init(suites, ARRAY_SIZE(suites));
}

static void __exit kunit_end(void)
{
	__kunit_test_suites_exit(suites, ARRAY_SIZE(suites));
	os_socket_stop();
	os_memory_drain();
}

module_init(kunit_start);
module_exit(kunit_end);
MODULE_DESCRIPTION("KUnit tests of chiscsi's Linux port");
MODULE_LICENSE("GPL");
