// SPDX-License-Identifier: GPL-2.0-only
/*
 * ifacedriver as a kernel module: entry, exit and parameters. What its C++ part needs
 * of the kernel is in iface_services.c. No logic of the driver lives here.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "iface_os.h"

/* Parameters */

static char *target_name = "iqn.2026-11.org.example:iface";
module_param(target_name, charp, 0444);
MODULE_PARM_DESC(target_name, "iSCSI target name");

static char *init_name = "";
module_param(init_name, charp, 0444);
MODULE_PARM_DESC(init_name, "iSCSI initiator name, needed for acl=1; default CHAP name");

static char *portal = "";
module_param(portal, charp, 0444);
MODULE_PARM_DESC(portal, "where to listen: PortalGroup=<tag>@<addr>[:<port>][,<addr>[:<port>]]...");

static char *lun_sizes_mb = "64";
module_param(lun_sizes_mb, charp, 0444);
MODULE_PARM_DESC(lun_sizes_mb, "sizes in MB of LUN 0, 1, ..., up to 64 of them (default 64)");

static char *keys = "";
module_param(keys, charp, 0444);
MODULE_PARM_DESC(keys, "further keys of the target: key=value;key=value;...");

static unsigned int max_cmd;
module_param(max_cmd, uint, 0444);
MODULE_PARM_DESC(max_cmd, "commands per session, 0 to 2048 (default 0: the target decides)");

static bool acl;
module_param(acl, bool, 0444);
MODULE_PARM_DESC(acl, "1: only init_name may log in (default 0)");

static char *chap = "none";
module_param(chap, charp, 0444);
MODULE_PARM_DESC(chap, "none, oneway or mutual (default none)");

static char *chap_initiator_name = "";
module_param(chap_initiator_name, charp, 0444);
MODULE_PARM_DESC(chap_initiator_name, "CHAP name of the initiator (default init_name; any if that is empty)");

static char *chap_initiator_secret = "";
module_param(chap_initiator_secret, charp, 0);
MODULE_PARM_DESC(chap_initiator_secret, "CHAP secret of the initiator, 6 to 16 characters");

static char *chap_target_name = "";
module_param(chap_target_name, charp, 0444);
MODULE_PARM_DESC(chap_target_name, "CHAP name of the target (default target_name)");

static char *chap_target_secret = "";
module_param(chap_target_secret, charp, 0);
MODULE_PARM_DESC(chap_target_secret, "CHAP secret of the target, 6 to 16 characters");

static bool chap_mutual_required;
module_param(chap_mutual_required, bool, 0444);
MODULE_PARM_DESC(chap_mutual_required, "1: refuse initiators that do not authenticate the target (default 0)");

static bool discard_data;
module_param(discard_data, bool, 0444);
MODULE_PARM_DESC(discard_data, "1: drop written data, read zeros, use no memory for LUNs (default 0)");

static unsigned int phase_kb;
module_param(phase_kb, uint, 0444);
MODULE_PARM_DESC(phase_kb, "hand data over in phases of this many KB (default 0: all at once)");

static unsigned int chunk_kb = 64;
module_param(chunk_kb, uint, 0444);
MODULE_PARM_DESC(chunk_kb, "contiguous memory behind one buffer element: 4, 8, 16 or 64 KB (default 64)");

static unsigned int block_size = 512;
module_param(block_size, uint, 0444);
MODULE_PARM_DESC(block_size, "bytes per logical block, 512 or 4096 (default 512)");

static bool inline_exec;
module_param(inline_exec, bool, 0444);
MODULE_PARM_DESC(inline_exec, "1: run commands in the target's threads, not in the driver's (default 0)");

static char *vendor = "CHISCSI";
module_param(vendor, charp, 0444);
MODULE_PARM_DESC(vendor, "INQUIRY vendor, up to 8 characters");

static char *product = "IFACE RAM DISK";
module_param(product, charp, 0444);
MODULE_PARM_DESC(product, "INQUIRY product, up to 16 characters");

static char *serial = "";
module_param(serial, charp, 0444);
MODULE_PARM_DESC(serial, "unit serial number without the LUN, up to 16 characters (default: from target_name)");

static bool stuck;

static int stuck_set(const char *value, const struct kernel_param *parameter)
{
	int err = param_set_bool(value, parameter);

	if (!err)
		iface_set_stuck(stuck);
	return err;
}

static const struct kernel_param_ops stuck_ops = {
	.set = stuck_set,
	.get = param_get_bool,
};
module_param_cb(stuck, &stuck_ops, &stuck, 0644);
MODULE_PARM_DESC(stuck, "test aid, 1: never answer, as if the storage had died; 0 answers what waits");

/* Module */

static int __init iface_module_init(void)
{
	struct iface_params params = {
		.target_name = target_name,
		.init_name = init_name,
		.portal = portal,
		.lun_sizes_mb = lun_sizes_mb,
		.keys = keys,
		.chap = chap,
		.chap_initiator_name = chap_initiator_name,
		.chap_initiator_secret = chap_initiator_secret,
		.chap_target_name = chap_target_name,
		.chap_target_secret = chap_target_secret,
		.vendor = vendor,
		.product = product,
		.serial = serial,
		.max_cmd = max_cmd,
		.phase_kb = phase_kb,
		.chunk_kb = chunk_kb,
		.block_size = block_size,
		.chap_mutual_required = chap_mutual_required,
		.acl = acl,
		.discard_data = discard_data,
		.inline_exec = inline_exec,
		.stuck = stuck,
	};
	int err;

	/* Writes to the parameters wait until the driver is up. */
	kernel_param_lock(THIS_MODULE);
	err = iface_start(&params);
	kernel_param_unlock(THIS_MODULE);
	return err;
}
module_init(iface_module_init);

static void __exit iface_module_exit(void)
{
	iface_stop();
	kernel_param_lock(THIS_MODULE);
	iface_free();
	kernel_param_unlock(THIS_MODULE);
}
module_exit(iface_module_exit);

MODULE_DESCRIPTION("Sample storage driver for the chiscsi target API");
MODULE_AUTHOR("The chiscsi developers");
MODULE_LICENSE("GPL");
