// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small files of the kernel for the engine: implements include/os/file.h.
 *
 * Called by a kernel thread of ours, which looks paths up from the root of the first process and has
 * all its rights. Each call opens, acts and closes; nothing is kept open, so the file system can be
 * unmounted at any time. Everything is bounded by what the storage below takes.
 */
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "os/file.h"
/* User namespaces of mounts stood where their mappings stand since 6.3. */
#ifndef CHISCSI_HAVE_RENAME_IDMAP
#define mnt_idmap mnt_user_ns
#define old_mnt_idmap old_mnt_userns
#define new_mnt_idmap new_mnt_userns
#endif

#define FOLDER_MODE 0700
#define FILE_MODE 0600

static int sync_and_close(struct file *file)
{
	int err = vfs_fsync(file, 0);
	int closed = filp_close(file, NULL);

	return err ? err : closed;
}

int os_folder_sync(const char *path)
{
	struct file *file = filp_open(path, O_RDONLY | O_DIRECTORY, 0);

	return IS_ERR(file) ? PTR_ERR(file) : sync_and_close(file);
}

int os_file_write(const char *path, const void *data, size_t size)
{
	struct file *file = filp_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, FILE_MODE);
	loff_t position = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	while (position < size) {
		ssize_t written = kernel_write(file, data + position, size - position, &position);

		if (written <= 0) {
			filp_close(file, NULL);
			return written ? written : -EIO;
		}
	}
	return sync_and_close(file);
}

long os_file_read(const char *path, void *data, size_t room)
{
	struct file *file = filp_open(path, O_RDONLY | O_NOFOLLOW, 0);
	loff_t position = 0;
	ssize_t got = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!S_ISREG(file_inode(file)->i_mode))
		got = -EINVAL;
	else if (i_size_read(file_inode(file)) > room)
		got = -EFBIG;
	while (got >= 0 && position < room) {
		got = kernel_read(file, data + position, room - position, &position);
		if (!got)
			break;
	}
	filp_close(file, NULL);
	return got < 0 ? got : position;
}

#if defined(CHISCSI_HAVE_RENAME_IDMAP) || defined(CHISCSI_HAVE_RENAME_USERNS)

int os_folder_make(const char *path)
{
	struct path parent;
	struct dentry *dentry;
	int err;

	dentry = kern_path_create(AT_FDCWD, path, &parent, LOOKUP_DIRECTORY);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry) == -EEXIST ? 0 : PTR_ERR(dentry);
	err = vfs_mkdir(mnt_idmap(parent.mnt), d_inode(parent.dentry), dentry, FOLDER_MODE);
	done_path_create(&parent, dentry);
	return err;
}

/*
 * The folder of @path as @folder, writable and locked, and the entry of its last part; that may be a
 * negative one. On success both are given back by put_entry().
 */
static struct dentry *get_entry(const char *path, struct path *folder)
{
	char name[OS_PATH_SIZE];
	const char *last = strrchr(path, '/');
	struct dentry *entry;
	int err;

	if (!last || last == path || last - path >= sizeof(name))
		return ERR_PTR(-EINVAL);
	memcpy(name, path, last - path);
	name[last - path] = '\0';
	err = kern_path(name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, folder);
	if (err)
		return ERR_PTR(err);
	err = mnt_want_write(folder->mnt);
	if (err) {
		path_put(folder);
		return ERR_PTR(err);
	}
	inode_lock_nested(d_inode(folder->dentry), I_MUTEX_PARENT);
	entry = lookup_one_len(last + 1, folder->dentry, strlen(last + 1));
	if (IS_ERR(entry)) {
		inode_unlock(d_inode(folder->dentry));
		mnt_drop_write(folder->mnt);
		path_put(folder);
	}
	return entry;
}

static void put_entry(struct dentry *entry, struct path *folder)
{
	dput(entry);
	inode_unlock(d_inode(folder->dentry));
	mnt_drop_write(folder->mnt);
	path_put(folder);
}

/* The caller has the folder locked, which is all that a rename inside one folder needs. */
static int rename_locked(struct path *folder, struct dentry *from, struct dentry *to)
{
	struct renamedata change = {
		.old_mnt_idmap = mnt_idmap(folder->mnt),
		.old_dir = d_inode(folder->dentry),
		.old_dentry = from,
		.new_mnt_idmap = mnt_idmap(folder->mnt),
		.new_dir = d_inode(folder->dentry),
		.new_dentry = to,
	};

	if (d_is_negative(from))
		return -ENOENT;
	return vfs_rename(&change);
}

int os_file_rename(const char *from, const char *to)
{
	const char *last = strrchr(to, '/');
	struct dentry *old, *new;
	struct path folder;
	int err;

	if (!last || strncmp(from, to, last - to + 1))
		return -EXDEV;
	old = get_entry(from, &folder);
	if (IS_ERR(old))
		return PTR_ERR(old);
	new = lookup_one_len(last + 1, folder.dentry, strlen(last + 1));
	err = PTR_ERR_OR_ZERO(new);
	if (!err) {
		err = rename_locked(&folder, old, new);
		dput(new);
	}
	put_entry(old, &folder);
	return err;
}

int os_file_remove(const char *path)
{
	struct path folder;
	struct dentry *entry = get_entry(path, &folder);
	int err;

	if (IS_ERR(entry))
		return PTR_ERR(entry);
	err = -ENOENT;
	if (!d_is_negative(entry))
		err = vfs_unlink(mnt_idmap(folder.mnt), d_inode(folder.dentry), entry, NULL);
	put_entry(entry, &folder);
	return err;
}

#else /* A kernel whose calls for this we do not know: nothing is kept. */

int os_folder_make(const char *path)
{
	return -EOPNOTSUPP;
}

int os_file_rename(const char *from, const char *to)
{
	return -EOPNOTSUPP;
}

int os_file_remove(const char *path)
{
	return -EOPNOTSUPP;
}

#endif
