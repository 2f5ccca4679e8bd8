// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/chiscsi_cxgb4_sim: what the software adapter has seen, and ways to break it.
 *
 * stats and violations are read, one `key=value` per line: what has happened and is left over, and
 * how often each rule was broken. fault takes `NAME [COUNT]`: so often the named thing goes wrong;
 * read, it says how often each has gone wrong. state takes up, recovery, down, detach or fatal. Used by tests, each in its own process context;
 * an open file holds the module.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "offload/sim/linux/glue.h"
#include "offload/sim/sim.h"

#define MAX_LINE 64
#define STAT(name) { #name, offsetof(struct sim_stats, name) }

static struct lld_device *watched;

static const struct {
	const char *name;
	size_t offset;
} lines[] = {
	STAT(violations),
	STAT(buffers),
	STAT(tids),
	STAT(stids),
	STAT(l2t),
	STAT(clip),
	STAT(pods),
	STAT(pods_valid),
	STAT(mapped),
	STAT(pages),
	STAT(credits),
	STAT(connections),
	STAT(messages),
	STAT(retries),
	STAT(pdus_in),
	STAT(pdus_out),
	STAT(placed_pdus),
	STAT(placed_bytes),
	STAT(not_placed),
	STAT(iso_wrs),
	STAT(iso_pdus),
	STAT(digest_errors),
	STAT(pod_writes),
	STAT(acks),
	STAT(window_stalls),
};

static int stats_show(struct seq_file *file, void *unused)
{
	struct sim_stats stats;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(lines) * sizeof(u64) != sizeof(stats));
	sim_stats(watched, &stats);
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		seq_printf(file, "%s=%llu\n", lines[i].name,
			   *(const u64 *)((const char *)&stats + lines[i].offset));
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(stats);

static int violations_show(struct seq_file *file, void *unused)
{
	const char *name;
	u32 i;

	for (i = 0; (name = sim_check_name(i)); i++)
		seq_printf(file, "%s=%llu\n", name, sim_violations(watched, name));
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(violations);

/* One write, one line. */
static int read_line(char *line, const char __user *from, size_t count)
{
	if (count >= MAX_LINE)
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';
	strim(line);
	return 0;
}

static int fault_show(struct seq_file *file, void *unused)
{
	const char *name;
	u32 i;

	for (i = 0; (name = sim_fault_name(i)); i++)
		seq_printf(file, "%s=%llu\n", name, sim_faults_done(watched, name));
	return 0;
}

static int fault_open(struct inode *inode, struct file *file)
{
	return single_open(file, fault_show, inode->i_private);
}

static ssize_t fault_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	char line[MAX_LINE], *rest = line, *name;
	u32 times = 1;
	int err = read_line(line, from, count);

	if (err)
		return err;
	name = strsep(&rest, " ");
	if (rest)
		err = kstrtou32(rest, 0, &times);
	if (!err)
		err = sim_fault(watched, name, times);
	return err ?: count;
}

static ssize_t state_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	static const char *const names[] = {
		[LLD_STATE_UP] = "up",
		[LLD_STATE_RECOVERY] = "recovery",
		[LLD_STATE_DOWN] = "down",
		[LLD_STATE_DETACH] = "detach",
		[LLD_STATE_FATAL] = "fatal",
	};
	char line[MAX_LINE];
	int state = read_line(line, from, count);

	if (state)
		return state;
	state = match_string(names, ARRAY_SIZE(names), line);
	if (state < 0)
		return state;
	sim_state(watched, state);
	return count;
}

static const struct file_operations fault_fops = {
	.owner = THIS_MODULE,
	.open = fault_open,
	.read = seq_read,
	.write = fault_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static const struct file_operations state_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = state_write,
	.llseek = noop_llseek,
};

static struct dentry *folder;

void sim_views_start(struct lld_device *adapter)
{
	watched = adapter;
	folder = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("stats", 0400, folder, NULL, &stats_fops);
	debugfs_create_file("violations", 0400, folder, NULL, &violations_fops);
	debugfs_create_file("fault", 0600, folder, NULL, &fault_fops);
	debugfs_create_file("state", 0200, folder, NULL, &state_fops);
}

void sim_views_stop(void)
{
	debugfs_remove(folder);
}
