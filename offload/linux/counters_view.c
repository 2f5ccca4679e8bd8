// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/chiscsi_cxgb4/counters: what the offload has done, one `key=value` per line.
 *
 * Read by anybody who reads files, in his own context; the numbers are those of the moment in which
 * the file is read first. An open file holds the module. Nothing depends on it: where debugfs is
 * missing it is, too.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/stddef.h>

#include "offload/linux/glue.h"
#include "offload/offload.h"

#define COUNTER(name) { #name, offsetof(struct offload_counters, name) }

static const struct {
	const char *name;
	size_t offset;
} lines[] = {
	COUNTER(adapters),
	COUNTER(connections),
	COUNTER(conns_offloaded),
	COUNTER(conns_refused),
	COUNTER(conns_failed),
	COUNTER(aborts),
	COUNTER(aborts_unanswered),
	COUNTER(rx_pdus),
	COUNTER(rx_bytes),
	COUNTER(placed_pdus),
	COUNTER(placed_bytes),
	COUNTER(place_tasks),
	COUNTER(no_place_list),
	COUNTER(no_place_pods),
	COUNTER(no_place_memory),
	COUNTER(not_placed_pdus),
	COUNTER(tx_pdus),
	COUNTER(tx_bytes),
	COUNTER(iso_wrs),
	COUNTER(iso_pdus),
	COUNTER(tx_copied),
	COUNTER(credits_exhausted),
	COUNTER(header_digest_errors),
	COUNTER(data_digest_errors),
	COUNTER(pad_errors),
	COUNTER(bad_messages),
};

static int counters_show(struct seq_file *file, void *unused)
{
	struct offload_counters counters;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(lines) * sizeof(u64) != sizeof(counters));
	offload_read_counters(&counters);
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		seq_printf(file, "%s=%llu\n", lines[i].name,
			   *(const u64 *)((const char *)&counters + lines[i].offset));
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(counters);

static struct dentry *folder;

void counters_view_start(void)
{
	folder = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("counters", 0400, folder, NULL, &counters_fops);
}

void counters_view_stop(void)
{
	debugfs_remove(folder);
}
