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

cache_type() { cat "/sys/block/${1##*/}/device/scsi_disk/"*/cache_type; }

file=/run/disk.img
rm -f "$file" "$file.sync" "$file.lost" # Of another case.
truncate -s 64M "$file"
truncate -s 64M "$file.sync"
lines="$file,THIN,THRESHOLD=20;$file.sync,FILE,SYNC;$file.sync,FILE,SYNC"
# A device that will be replaced by one which fails, in two units.
modprobe -a loop dm_mod 2>/dev/null || :
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

# Whose pages were lost nobody knows: each unit has to hear of it, and once.
if [ -n "$loop" ]; then
	one=$(disk_of "$IQN" 3) && other=$(disk_of "$IQN" 4) ||
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
rm -f "$file" "$file.sync" "$file.lost"
finish
