#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# storage_file.sh - files by the built-in class FILE.
#
# Runs in the test machine.  A sparse file is a thin disk: what initiators write is
# in the file, what they unmap leaves it, and a file that grows is a disk that does.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

# A file system that has a way past the page cache; tmpfs has none.
direct=/run/direct
direct_up()
{
	truncate -s 64M $direct.img && mkfs.ext4 -q -F $direct.img && mkdir -p $direct &&
		mount -o loop $direct.img $direct && truncate -s 32M $direct/disk.img &&
		dd if=/dev/urandom of=$direct/cached.img bs=1M count=8 status=none
}
sectors_below() { awk '{ print $3 }' "/sys/block/$(basename "$(findmnt -no SOURCE $direct)")/stat"; }
read_since() { [ $(($(sectors_below) - $1)) -ge "$2" ]; }
# Nothing of it is written back meanwhile but what goes there at once.
is_below() { grep -qaF "$1" $direct.img; }

cache_type() { cat "/sys/block/${1##*/}/device/scsi_disk/"*/cache_type; }

file=/run/disk.img
rm -f "$file" "$file.sync" "$file.lost" # Of another case.
truncate -s 64M "$file"
truncate -s 64M "$file.sync"
lines="$file,THIN,THRESHOLD=20;$file.sync,FILE,SYNC;$file.sync,FILE,SYNC"
modprobe -a loop dm_mod ext4 2>/dev/null || :
direct_up >/run/direct.out 2>&1 || give_up 'a file system for DIRECT' "$(cat /run/direct.out)"
lines="$lines;$direct/disk.img,FILE,DIRECT,THIN;$direct/cached.img"
# A device that will be replaced by one which fails, in two units.
truncate -s 32M "$file.lost"
# udevd may not run, or may have taken over from another case: nobody waits for it.
dm() { dmsetup --noudevsync "$@"; }
maps() { dm "$1" lost --table "0 65536 $2"; }
if command -v dmsetup >/dev/null && loop=$(losetup -f) && losetup "$loop" "$file.lost" &&
	maps create "linear $loop 0" && dm mknodes; then
	lines="$lines;/dev/mapper/lost,FILE;/dev/mapper/lost,FILE"
else
	loop=
fi
storage_up "$lines"
sync_disk=$(disk_of "$IQN" 1) || give_up 'the second disk appears' "$(dmesg | tail -n 20)"
sg=$(sg_of "$disk")

check_says 'a file in two units is said so' 'two LUNs share it' klog_since
check_equal 'the page cache is told of' "$(cache_type "$disk")" 'write back'
check_equal 'and that SYNC goes through it' "$(cache_type "$sync_disk")" 'write through'
storage_pattern 16
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
check 'the initiator hears that a fifth is used' wait_for 30 storage_hears_threshold "$disk"
uses() { [ "$(storage_used_mb "$sg")" = "$1" ]; }
check 'the log page has its use' wait_for 30 uses 16
check 'flush' sg_sync "$sg"
check 'the file has it' cmp -n 16777216 /run/pattern "$file"
check 'odd places' storage_odd_places "$disk"
check 'write through' dd if=/run/pattern of="$sync_disk" bs=1M oflag=direct status=none
check 'the file has it' cmp -n 16777216 /run/pattern "$file.sync"
check 'compare and write' storage_compare_and_write "$disk" "$sg"

before=$(stat -c %b "$file")
check 'blocks are given up' storage_unmap "$disk" 8
check 'the file has become smaller' test "$(stat -c %b "$file")" -lt "$before"
check_equal 'and reads as zeros' \
	"$(dd if="$disk" bs=1M count=8 iflag=direct status=none | tr -d '\0' | wc -c)" 0
check_says 'what was unmapped is a hole' 'deallocated|unmapped' sg_get_lba_status --lba=0 "$sg"

truncate -s 96M "$file"
dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct status=none
sg_turs "$sg" || : # Passes over the unit attention.
check_says 'a file that has grown' 'Number of logical blocks=196608' sg_readcap --long "$sg"

check 'fio finds what it wrote' storage_fio "$disk"

direct_disk=$(disk_of "$IQN" 3) || give_up 'the disk past the page cache' "$(dmesg | tail -n 20)"
printf '%-4096s' 'past the page cache' >/run/marked
check 'a write past the page cache' dd if=/run/marked of="$direct_disk" bs=4k seek=5 oflag=direct status=none
check 'it is below at once' is_below 'past the page cache'
check 'odd places' storage_odd_places "$direct_disk"
check 'compare and write' storage_compare_and_write "$direct_disk" "$(sg_of "$direct_disk")"
check 'fio finds what it wrote' storage_fio "$direct_disk"
check 'blocks are given up' storage_unmap "$direct_disk" 8
check_equal 'they read as zeros' \
	"$(dd if="$direct_disk" bs=1M count=8 iflag=direct status=none | tr -d '\0' | wc -c)" 0
cached=$(sg_of "$(disk_of "$IQN" 4)")
sync
echo 3 >/proc/sys/vm/drop_caches
before=$(sectors_below)
check 'what is to be fetched' sg_raw "$cached" 34 02 00 00 00 00 00 20 00 00
check 'is read from below' wait_for "$PATIENCE" read_since "$before" 8192

check_fails 'no way past the page cache' storage_devices "$lines;/run/pattern,FILE,DIRECT"
check_says 'and the log says so' 'DIRECT: its file system' klog_since
check_fails 'a reload into the page cache' storage_devices "${lines/,DIRECT/}"
check 'it is written to the file' iscsictl -W -f /run/written.conf
check 'with its option' grep -q "disk.img,FILE,.*DIRECT" /run/written.conf

# Whose pages were lost nobody knows: each unit has to hear of it, and once.
if [ -n "$loop" ]; then
	one=$(disk_of "$IQN" 5) && other=$(disk_of "$IQN" 6) ||
		give_up 'the last disks appear' "$(dmesg | tail -n 20)"
	check 'write into the page cache' dd if=/run/pattern of="$one" bs=1M count=4 oflag=direct status=none
	dm suspend --noflush --nolockfs lost && maps load error && dm resume lost
	check_fails 'a flush of the other unit finds that it is lost' sg_sync "$(sg_of "$other")"
	check_fails 'the unit that has written hears of it' sg_sync "$(sg_of "$one")"
	check 'once' sg_sync "$(sg_of "$one")"
	check 'like the other' sg_sync "$(sg_of "$other")"
fi

check_fails 'a folder is no disk' storage_devices '/run'
check_fails 'a file that is not there' storage_devices '/run/none'
check_says 'a file that is read in other ways is none' 'error 22' \
	storage_devices '/proc/kmsg,FILE,RO'
check 'the disk is as before' dd if="$disk" of=/dev/null bs=1M count=1 iflag=direct status=none
mv "$file" "$file.aside"
truncate -s 64M "$file"
check_fails 'a reload of a line that names another file now' storage_devices "$lines"
mv "$file.aside" "$file"
check 'a reload when it is back' storage_devices "$lines"

storage_down
if [ -n "$loop" ]; then
	dm remove --retry lost
	losetup -d "$loop"
fi
umount $direct
rm -f "$file" "$file.sync" "$file.lost" $direct.img
finish
