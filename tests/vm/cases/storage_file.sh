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
truncate -s 64M "$file"
truncate -s 64M "$file.sync"
storage_up "$file,THIN;$file.sync,FILE,SYNC;$file.sync,FILE,SYNC"
sync_disk=$(disk_of "$IQN" 1) || give_up 'the second disk appears' "$(dmesg | tail -n 20)"
sg=$(sg_of "$disk")

check_says 'a file in two units is said so' 'two LUNs share it' klog_since
check_equal 'the page cache is told of' "$(cache_type "$disk")" 'write back'
check_equal 'and that SYNC goes through it' "$(cache_type "$sync_disk")" 'write through'
storage_pattern 16
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
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
check_fails 'a folder is no disk' storage_devices '/run'
check_fails 'a file that is not there' storage_devices '/run/none'
check 'the disk is as before' dd if="$disk" of=/dev/null bs=1M count=1 iflag=direct status=none

storage_down
rm -f "$file" "$file.sync"
finish
