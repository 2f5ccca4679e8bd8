// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload of chiscsi_cxgb4.ko, the offload transport.
 *
 * Called by the kernel's module loader, in the process context of modprobe and rmmod. The adapters
 * of the kernel's cxgb4 are one backend, when the module was built with its headers; the software
 * adapter for tests brings another one by offload_add_backend(), and holds this module by that.
 * Unload closes all connections that run over an adapter.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/printk.h>

#include "common/chiscsi_version.h"
#include "offload/linux/glue.h"
#include "offload/offload.h"
#include "target/linux/glue.h"

#ifdef CHISCSI_CXGB4
static int add_cxgb4(void)
{
	return offload_add_backend(&lld_cxgb4_ops);
}

#else
static int add_cxgb4(void)
{
	pr_info("built without the headers of cxgb4: no adapter of the kernel is used\n");
	return 0;
}

#endif

static int __init offload_init(void)
{
	int err = offload_start();

	if (!err) {
		err = add_cxgb4();
		if (!err) {
			counters_view_start();
			return 0;
		}
		offload_stop();
	}
	os_memory_drain();
	return err;
}

static void __exit offload_exit(void)
{
	/* 1. Nobody asks for anything any more. */
	counters_view_stop();
	/* 2. No connection, no adapter, and the target does not know of us. */
	offload_stop();
	/* 3. What they freed is gone. */
	os_memory_drain();
}

module_init(offload_init);
module_exit(offload_exit);

EXPORT_SYMBOL_GPL(offload_add_backend);
EXPORT_SYMBOL_GPL(offload_remove_backend);

MODULE_DESCRIPTION("iSCSI target: offload to T5 and T6 adapters");
MODULE_AUTHOR("The chiscsi authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(CHISCSI_API_VERSION_STRING);
