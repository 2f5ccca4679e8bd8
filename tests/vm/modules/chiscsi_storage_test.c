// SPDX-License-Identifier: GPL-2.0-only
/*
 * One target of the built-in class "chiscsi" for the test machine, made with the exported calls
 * alone: for cases that want a target of BLK, FILE or MEM and no administrator's tool.
 *
 * The module parameter `devices` has the values of TargetDevice with semicolons in between; writing
 * it reloads the target.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "iscsi_target_class.h"

static char *target_name = "iqn.2026-01.test.chiscsi:disk";
module_param(target_name, charp, 0444);
static char *portal = "1@0.0.0.0:3260";
module_param(portal, charp, 0444);
static char *devices = "ram,MEM";
static int set_devices(const char *value, const struct kernel_param *param);
static const struct kernel_param_ops devices_ops = {
	.set = set_devices,
	.get = param_get_charp,
	.free = param_free_charp,
};
module_param_cb(devices, &devices_ops, &devices, 0644);
static bool running;
static char class_name[] = "chiscsi";

/* The key=value strings of the target: its portal, and one line for each device. */
static char *make_keys(int *length)
{
	char *rest, *all = kstrdup(devices, GFP_KERNEL), *device;
	int size = strlen(portal) + strlen(devices) * 16 + 64;
	char *keys = kzalloc(size, GFP_KERNEL);

	*length = 0;
	rest = all ? strim(all) : NULL;
	if (rest && keys) {
		*length = scnprintf(keys, size, "PortalGroup=%s", portal) + 1;
		while ((device = strsep(&rest, ";")))
			*length += scnprintf(keys + *length, size - *length, "TargetDevice=%s",
					     device) + 1;
	}
	kfree(all);
	return keys;
}

static int set_target(bool new)
{
	int length, err = -ENOMEM;
	char *keys = make_keys(&length);

	if (length)
		err = new ? chiscsi_target_add(&running, target_name, class_name, keys, length) :
			    chiscsi_target_reconfig(&running, target_name, class_name, keys, length);
	kfree(keys);
	return err;
}

static int set_devices(const char *value, const struct kernel_param *param)
{
	int err = param_set_charp(value, param);

	return err || !running ? err : set_target(false);
}

static void __exit storage_test_exit(void)
{
	while (chiscsi_target_remove(&running, target_name) == -EBUSY)
		msleep(100);
}

static int __init storage_test_init(void)
{
	int err = set_target(true);

	running = !err;
	return err;
}
module_init(storage_test_init);
module_exit(storage_test_exit);
MODULE_DESCRIPTION("A target of the built-in LUN classes, for tests");
MODULE_LICENSE("GPL");
