#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# storage_blk.sh - block devices by the built-in class BLK.
#
# Runs in the test machine.  A loop device is a disk behind a request queue, a RAM
# disk of the kernel one without; both are claimed while they are in use, and what
# initiators write and discard is there afterwards.  A line without a type word that
# names a device goes to the block layer, too.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

modprobe loop 2>/dev/null || :
truncate -s 64M /run/below.img
loop=$(losetup -f) && losetup "$loop" /run/below.img || skip_case 'there is no loop device'
devices="$loop,BLK,THIN"
second=
if modprobe brd rd_nr=1 rd_size=65536 2>/dev/null && [ -b /dev/ram0 ] &&
	[ "$(cat /sys/block/ram0/size)" -ge 65536 ]; then
	second=/dev/ram0
	devices="$devices;$second"
fi
storage_up "$devices"
sg=$(sg_of "$disk")

check_fails 'the device is claimed' mkfs.ext4 -q -F "$loop"
check_says 'its size' 'Number of logical blocks=131072' sg_readcap --long "$sg"
check_says 'nobody knows how much of it is used' 'Illegal request|field in cdb illegal' \
	sg_logs --page=0xc "$sg"
check_says 'so there is no threshold' 'Threshold exponent: 0' sg_vpd --page=lbpv "$sg"
check_fails 'and none can be asked for' storage_devices "$loop,BLK,THIN,THRESHOLD=50"
storage_pattern 16
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
check 'flush' sg_sync "$sg"
check 'the device has it' cmp -n 16777216 /run/pattern /run/below.img
check 'read back' cmp -n 16777216 /run/pattern "$disk"
check 'odd places' storage_odd_places "$disk"
check 'compare and write' storage_compare_and_write "$disk" "$sg"
check 'write same' sg_write_same --lba=1000 --num=64 --in=/dev/zero --xferlen=512 --16 "$sg"
check_equal 'has cleared the blocks' \
	"$(dd if="$disk" bs=512 skip=1000 count=64 iflag=direct status=none | tr -d '\0' | wc -c)" 0
before=$(stat -c %b /run/below.img)
check 'blocks are given up' storage_unmap "$disk" 8
check 'the file below has become smaller' test "$(stat -c %b /run/below.img)" -lt "$before"
check 'fio finds what it wrote' storage_fio "$disk"

# WCE of the caching mode page, as it is now.
has_cache() { [ $((0x$(sg_modes --dbd --raw --page=8 "$sg" | od -An -tx1 -j10 -N1 | tr -d ' ') & 4)) = "$1" ]; }
queue=/sys/block/${loop##*/}/queue/write_cache
if [ "$(cat "$queue")" = 'write back' ]; then
	check 'a write cache is told of' has_cache 4
	echo 'write through' >"$queue"
	check 'that it is gone as well' wait_for 20 has_cache 0
	echo 'write back' >"$queue"
	check 'and that it has come back' wait_for 20 has_cache 4
fi

truncate -s 96M /run/below.img
losetup -c "$loop"
dd if="$disk" of=/dev/null bs=4k count=1 iflag=direct status=none
sg_turs "$sg" || : # Passes over the unit attention.
check_says 'a device that has grown' 'Number of logical blocks=196608' sg_readcap --long "$sg"

if [ -n "$second" ]; then
	ram=$(disk_of "$IQN" 1) || give_up 'the second disk appears' "$(dmesg | tail -n 20)"
	check 'a device without a queue: write' \
		dd if=/run/pattern of="$ram" bs=1M oflag=direct status=none
	check 'and read back' cmp -n 16777216 /run/pattern "$ram"
	check 'fio finds what it wrote there' storage_fio "$ram"
fi

# A disk that is deleted on the host below its unit: multipath must not take the path for a good one.
not_ready() { [ "$(sg_turs "$1" >/dev/null 2>&1; echo $?)" -eq 2 ]; }
modprobe sd_mod 2>/dev/null || :
if modprobe scsi_debug dev_size_mb=8 2>/dev/null && wait_for 20 debug_disk; then
	below=$(debug_disk)
	check 'a disk of scsi_debug comes in' storage_devices "$devices;$below,BLK"
	iscsiadm -m session --rescan >/run/rescan.out 2>&1 || :
	number=$((1 + $([ -z "$second" ] && echo 0 || echo 1)))
	victim=$(sg_of "$(disk_of "$IQN" "$number")") || give_up 'it appears' "$(dmesg | tail -n 20)"
	ready() { sg_turs "$victim" >/dev/null 2>&1; }
	check 'it is ready' wait_for 20 ready
	echo 1 >"/sys/block/${below##*/}/device/delete"
	check 'it is not ready when it was deleted' wait_for 20 not_ready "$victim"
	check_says 'REQUEST SENSE says so' 'Not Ready' sg_requests "$victim"
	check 'INQUIRY is answered' sg_inq "$victim"
	check 'the first disk is ready' sg_turs "$sg"
	check 'its unit can be taken out' storage_devices "$devices"
else
	skip 'a disk that is deleted' 'there is no scsi_debug'
fi

storage_down
[ ! -d /sys/module/scsi_debug ] || modprobe -r scsi_debug 2>/dev/null || :
check 'the device is free again' dd if=/dev/zero of="$loop" bs=4k count=1 status=none
losetup -d "$loop"
[ -z "$second" ] || modprobe -r brd 2>/dev/null || :
rm -f /run/below.img
finish
