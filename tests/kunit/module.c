// SPDX-License-Identifier: GPL-2.0-only
/*
 * chiscsi_kunit.ko: the Linux port of include/os and its KUnit tests in one module.
 *
 * KUnit runs the suites while the module is loaded. What the port has running is ended here, in the
 * order that target/linux/glue.h gives. Contains no engine and exports nothing. Loaded by
 * tests/kunit/run only.
 */
#include <linux/module.h>

#include "target/linux/glue.h"

static int __init kunit_start(void)
{
	return 0;
}

static void __exit kunit_end(void)
{
	os_socket_drain();
	os_memory_drain();
}

module_init(kunit_start);
module_exit(kunit_end);
MODULE_DESCRIPTION("KUnit tests of chiscsi's Linux port");
MODULE_LICENSE("GPL");
