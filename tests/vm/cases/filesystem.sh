#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# filesystem.sh - an ext4 file system on an iSCSI disk.
#
# Runs in the test machine.  Makes a file system, fills it with files of many
# sizes, logs out and in again, so that nothing comes from a cache, and compares
# checksums; e2fsck must find nothing at both times.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

# Files from 1 byte to 4 MiB; their contents repeat from run to run.
fill()
{
	local size
	for size in 1 511 512 4095 4096 65537 1048576 4194304; do
		yes "line of a file of $size bytes" | head -c "$size" >"/mnt/file.$size"
	done
	mkdir /mnt/many
	for size in $(seq 200); do echo "$size" >"/mnt/many/$size"; done
	(cd /mnt && find . -type f -exec sha256sum {} +) | sort >/run/sums
	sync
}

same_contents()
{
	(cd /mnt && find . -type f -exec sha256sum {} +) | sort | cmp - /run/sums
}

up
attach
check 'mkfs.ext4' mkfs.ext4 -q -F "$disk"
check 'mount' mount -t ext4 "$disk" /mnt
check 'files are written' fill
check 'unmount' umount /mnt
check 'e2fsck finds nothing' e2fsck -fn "$disk"
check 'logout' logout
check 'login again' login
disk=$(disk_of "$IQN" "$(lun 0)") || give_up 'the disk is back' ''
check 'e2fsck finds nothing after another login' e2fsck -fn "$disk"
check 'mount again' mount -t ext4 "$disk" /mnt
check 'the files are the same' same_contents
check 'a file can be removed' rm /mnt/file.4194304
check 'the file system can be trimmed or says that it cannot' sh -c 'fstrim /mnt || :'
check 'unmount again' umount /mnt
detach
down
finish
