/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_RENAME_IDMAP: vfs_mkdir(), vfs_rename() with a struct mnt_idmap (6.3 to 6.14). symbol: vfs_rename
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>

int probe(struct path *p, struct dentry *d);
int probe(struct path *p, struct dentry *d)
{
	struct renamedata r = { .old_mnt_idmap = mnt_idmap(p->mnt), .old_dir = d_inode(p->dentry) };
	struct dentry *one = lookup_one_len("x", p->dentry, 1);

	return vfs_mkdir(mnt_idmap(p->mnt), r.old_dir, one, 0700) + vfs_rename(&r) +
	       vfs_unlink(mnt_idmap(p->mnt), r.old_dir, d, NULL);
}
