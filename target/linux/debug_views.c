// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/chiscsi: targets, sessions and statistics to be read by anything that reads
 * files, in the words of the control device (docs/control.md).
 *
 * A file is what it says at the moment in which it is opened, made by engine_control() in the
 * context of the opener, and does not change while it is read. An open file holds the module, as
 * one of /dev/chiscsi does. Nothing depends on these files: where debugfs is missing they are, too.
 */
#define pr_fmt(fmt) "chiscsi: " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "common/chiscsi_control.h"
#include "target/engine.h"
#include "target/linux/glue.h"

static const struct view {
	const char *name;
	u32 op;
} views[] = {
	{ "targets", CHISCSI_CONTROL_TARGET_LIST },
	{ "sessions", CHISCSI_CONTROL_SESSION_LIST },
	{ "statistics", CHISCSI_CONTROL_STATISTICS },
};

static int view_open(struct inode *inode, struct file *file)
{
	const struct view *view = inode->i_private;
	struct engine_control_call *call = kzalloc(sizeof(*call), GFP_KERNEL);
	int err;

	if (!call)
		return -ENOMEM;
	call->op = view->op;
	call->out_room = CHISCSI_CONTROL_MAX_OUTPUT;
	err = engine_control(call);
	if (!err) {
		file->private_data = call;
		return 0;
	}
	engine_control_release(call);
	kfree(call);
	return err;
}

static ssize_t view_read(struct file *file, char __user *to, size_t count, loff_t *at)
{
	const struct engine_control_call *call = file->private_data;

	return simple_read_from_buffer(to, count, at, call->out, call->out_used);
}

static int view_close(struct inode *inode, struct file *file)
{
	struct engine_control_call *call = file->private_data;

	engine_control_release(call);
	kfree(call);
	return 0;
}

static const struct file_operations view_operations = {
	.owner = THIS_MODULE,
	.open = view_open,
	.read = view_read,
	.release = view_close,
	.llseek = default_llseek,
};

static struct dentry *folder;

void debug_views_start(void)
{
	unsigned int i;

	folder = debugfs_create_dir("chiscsi", NULL);
	for (i = 0; i < ARRAY_SIZE(views); i++)
		debugfs_create_file(views[i].name, 0400, folder, (void *)&views[i],
				    &view_operations);
}

void debug_views_stop(void)
{
	debugfs_remove(folder);
}
