// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload of chiscsi.ko, and its parameters.
 *
 * Called by the kernel's module loader, in the process context of modprobe and rmmod. A parameter
 * out of its range stops the load with one line that names it. Unload runs only when no storage
 * driver uses the module any more, and returns when nothing of it can run again. Contains nothing
 * of the target itself: that starts at engine_start().
 */
#define pr_fmt(fmt) "chiscsi: " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>

#include "os/module.h"
#include "target/engine.h"
#include "target/linux/glue.h"

/**
 * struct number - the value of a parameter, and what it may be.
 */
struct number {
	unsigned int value;
	unsigned int min;
	unsigned int max;
};

static int number_set(const char *text, const struct kernel_param *parameter)
{
	struct number *number = parameter->arg;
	unsigned int value;

	if (kstrtouint(text, 0, &value) || value < number->min || value > number->max) {
		pr_err("%s: bad value \"%.32s\", allowed %u-%u\n", parameter->name, text,
		       number->min, number->max);
		return -EINVAL;
	}
	number->value = value;
	return 0;
}

static int number_get(char *text, const struct kernel_param *parameter)
{
	const struct number *number = parameter->arg;

	return sysfs_emit(text, "%u\n", number->value);
}

static const struct kernel_param_ops number_ops = { .set = number_set, .get = number_get };

static struct number workers = { .value = 0, .min = 0, .max = 1024 };
static struct number busy_poll = { .value = 0, .min = 0, .max = 10000 };
static struct number login_timeout = { .value = 300, .min = 0, .max = 3600 };
static struct number abort_timeout = { .value = 30, .min = 1, .max = 3600 };
static struct number max_pending_logins = { .value = 1024, .min = 1, .max = 65536 };

module_param_cb(workers, &number_ops, &workers, 0444);
MODULE_PARM_DESC(workers, "threads that serve sessions; 0 (default): one per CPU");
module_param_cb(busy_poll, &number_ops, &busy_poll, 0444);
MODULE_PARM_DESC(busy_poll, "microseconds for which such a thread waits awake before it sleeps (0)");
module_param_cb(login_timeout, &number_ops, &login_timeout, 0444);
MODULE_PARM_DESC(login_timeout, "iscsi_login_complete_time at the start: seconds, 0: no limit (300)");
module_param_cb(abort_timeout, &number_ops, &abort_timeout, 0444);
MODULE_PARM_DESC(abort_timeout, "seconds a storage driver has to answer an abort (30)");
module_param_cb(max_pending_logins, &number_ops, &max_pending_logins, 0444);
MODULE_PARM_DESC(max_pending_logins, "connections in the login phase at one time (1024)");

static char *pr_dir = "/var/lib/chiscsi/pr";

module_param(pr_dir, charp, 0444);
MODULE_PARM_DESC(pr_dir, "folder for persistent reservations with APTPL (/var/lib/chiscsi/pr); empty: none");

static int start(const struct engine_options *options)
{
	int err = engine_start(options);

	if (err)
		return err;
	if (*pr_dir) {
		err = engine_keep_reservations(pr_dir);
		if (err)
			pr_err("pr_dir: an absolute path of at most 260 characters is wanted\n");
	}
	if (!err)
		err = control_device_start();
	if (err)
		engine_stop();
	else
		debug_views_start();
	return err;
}

int os_module_hold(void)
{
	return try_module_get(THIS_MODULE);
}

void os_module_release(void)
{
	module_put(THIS_MODULE);
}

static int __init chiscsi_init(void)
{
	const struct engine_options options = {
		.workers = workers.value,
		.login_timeout_s = login_timeout.value,
		.abort_timeout_s = abort_timeout.value,
		.max_pending_logins = max_pending_logins.value,
		.busy_poll_us = busy_poll.value,
	};
	int err;

	os_digest_start();
	err = os_storage_start();
	if (err)
		goto no_storage;
	err = os_socket_start();
	if (err)
		goto no_sockets;
	err = start(&options);
	if (!err)
		return 0;
	os_socket_stop();
no_sockets:
	os_storage_stop();
no_storage:
	pr_err("cannot start: error %d\n", err);
	os_digest_stop();
	os_memory_drain();
	return err;
}

static void __exit chiscsi_exit(void)
{
	/* 1. Nobody asks for anything any more. */
	debug_views_stop();
	control_device_stop();
	/* 2. Nobody makes sockets, commands or memory any more. */
	engine_stop();
	/* 3. The network has let go of what was sent. */
	os_socket_stop();
	/* 4. What they used. */
	os_storage_stop();
	os_digest_stop();
	os_memory_drain();
}

module_init(chiscsi_init);
module_exit(chiscsi_exit);

MODULE_DESCRIPTION("iSCSI target");
MODULE_AUTHOR("The chiscsi authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(CHISCSI_API_VERSION_STRING);
MODULE_SOFTDEP("pre: crc32c md5 sha1 sha256 sha3-256");
