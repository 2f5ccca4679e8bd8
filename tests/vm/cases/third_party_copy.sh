#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# third_party_copy.sh - EXTENDED COPY between units of the built-in classes, by sg_xcopy.
#
# Runs in the test machine.  A RAM disk, a file and a RAM disk with larger blocks are
# copied to each other by the target alone; what the destination holds is read and
# compared.  What has no place, or may not be written, is refused.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

# first MB DISK: that many bytes from the beginning of the disk itself, in /run/copied.
first()
{
	dd if="$2" of=/run/copied bs=1M count="$1" iflag=direct status=none
}

# copy_target DISK BLOCK: an identification descriptor, by the first designator of the
# disk; BLOCK is its block size as three bytes for printf.
copy_target()
{
	printf '\xe4\x00\x00\x00\x01\x03\x00\x08'
	dd if="/sys/block/${1##*/}/device/vpd_pg83" bs=1 skip=8 count=8 status=none
	printf '\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00%b' "$2"
}

# small_to_large: 16,384 blocks from the beginning of $disk to that of $fourk, whose
# blocks are larger; sg_xcopy wants them alike.
small_to_large()
{
	{
		printf '\x01\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00\x1c\x00\x00\x00\x00'
		copy_target "$disk" '\x00\x02\x00'
		copy_target "$fourk" '\x00\x10\x00'
		printf '\x02\x00\x00\x18\x00\x00\x00\x01\x00\x00\x40\x00'
		dd if=/dev/zero bs=16 count=1 status=none
	} >/run/copy.list
	sg_raw -s 108 -i /run/copy.list "$sg" 83 00 00 00 00 00 00 00 00 00 00 00 00 6c 00 00
}

truncate -s 64M /run/store.img
storage_up '/run/store.img;ram,MEM,size=64MB;fourk,MEM,size=64MB,BS=4096;ro,MEM,size=16MB,RO'
ram=$(disk_of "$IQN" 1) || give_up 'the second disk appears' "$(dmesg | tail -n 20)"
fourk=$(disk_of "$IQN" 2) || give_up 'the third disk appears' "$(dmesg | tail -n 20)"
readonly=$(disk_of "$IQN" 3) || give_up 'the fourth disk appears' "$(dmesg | tail -n 20)"
# sg_xcopy finds the pass-through device of a disk by links that udev would make.
sg=$(sg_of "$disk") sg_ram=$(sg_of "$ram") sg_readonly=$(sg_of "$readonly")

check_says 'INQUIRY tells of third-party copy' '3PC=1' sg_inq "$sg"
check_says 'the command is listed' 'Extended copy\(LID1\)|Extended copy' sg_opcodes "$sg"
check_says 'page 0x8f can be read' 'Maximum segment descriptor count: 256' sg_vpd -p tpc "$sg"
check_says 'the operating parameters' 'Maximum target descriptor count: 16' \
	sg_copy_results --params "$sg"

storage_pattern 48
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
check 'copy the file to memory' sg_xcopy if="$sg" of="$sg_ram" bs=512 count=98304 list_id=3
first 48 "$ram"
check 'all of it has arrived' cmp /run/pattern /run/copied
check_says 'the result is kept' 'completed without errors' \
	sg_copy_results --status --list_id=3 "$sg_ram"

check 'copy back, to another place' \
	sg_xcopy if="$sg_ram" of="$sg" bs=512 count=32768 skip=2048 seek=65536 --on_src
dd if="$disk" of=/run/copied bs=1M skip=32 count=16 iflag=direct status=none
dd if=/run/pattern of=/run/wanted bs=1M skip=1 count=16 status=none
check 'it is there' cmp /run/wanted /run/copied

check 'copy onto itself' sg_xcopy if="$sg_ram" of="$sg_ram" bs=512 count=63488 skip=0 seek=2048
dd if="$ram" of=/run/copied bs=1M skip=1 count=31 iflag=direct status=none
dd if=/run/pattern of=/run/wanted bs=1M count=31 status=none
check 'as if all had been read first' cmp /run/wanted /run/copied

check 'into blocks of 4096' small_to_large
first 8 "$fourk"
check 'they hold the same' cmp -n 8388608 /run/pattern /run/copied

check_fails 'a read-only unit is no destination' \
	sg_xcopy if="$sg" of="$sg_readonly" bs=512 count=8 --on_src
check 'but a source' sg_xcopy if="$sg_readonly" of="$sg_ram" bs=512 count=8
check_equal 'which has given its zeros' \
	"$(dd if="$ram" bs=512 count=8 iflag=direct status=none | tr -d '\0' | wc -c)" 0
check 'the units still answer' sg_turs "$sg"

storage_down
rm -f /run/store.img /run/copied /run/wanted /run/copy.list
finish
