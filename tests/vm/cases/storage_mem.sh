#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# storage_mem.sh - RAM disks of the built-in class MEM, and NULLRW.
#
# Runs in the test machine.  The disks are thin, so the kernel's disk driver finds
# UNMAP; sg3_utils tries the commands that compare, clear and ask, 32-byte CDBs and
# log pages, and the kernel's disk driver hears of a threshold that is reached.  A
# file system on such a disk is trimmed and read back.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

# READ(32) of 8 blocks at 0, tags of protection information and all.
read_32()
{
	sg_raw -r 4096 -o /run/read32 "$sg" 7f 00 00 00 00 00 00 18 00 09 00 00 \
		00 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff 00 00 00 08
}

storage_up 'one,MEM,size=64MB,THIN,THRESHOLD=50;null,MEM,NULLRW;fourk,MEM,size=64MB,BS=4096'
null=$(disk_of "$IQN" 1) || give_up 'the second disk appears' "$(dmesg | tail -n 20)"
fourk=$(disk_of "$IQN" 2) || give_up 'the third disk appears' "$(dmesg | tail -n 20)"
sg=$(sg_of "$disk")

check_says 'its size' 'Number of logical blocks=131072' sg_readcap --long "$sg"
check_says 'blocks of 4096' 'block length=4096' sg_readcap --long "$(sg_of "$fourk")"
check_says 'UNMAP is offered' 'Unmap' sg_opcodes "$sg"
check_says 'and only where it was asked for' 'NOT supported' \
	sg_opcodes --opcode=0x42 "$(sg_of "$fourk")"

storage_pattern 16
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
check 'read back' cmp -n 16777216 /run/pattern "$disk"
check 'verify' sg_verify --lba=0 --count=64 "$sg"
check 'verify with data' sg_verify --lba=0 --count=8 --ndo=4096 --in=/run/pattern "$sg"
check 'odd places' storage_odd_places "$disk"
check 'write same' sg_write_same --lba=1000 --num=64 --in=/dev/zero --xferlen=512 --16 "$sg"
check_equal 'has cleared the blocks' \
	"$(dd if="$disk" bs=512 skip=1000 count=64 iflag=direct status=none | tr -d '\0' | wc -c)" 0
check 'unmap' sg_unmap --lba=2048 --num=2048 "$sg"
check_says 'what was unmapped is a hole' 'deallocated|unmapped' sg_get_lba_status --lba=2048 "$sg"
check_equal 'and reads as zeros' \
	"$(dd if="$disk" bs=512 skip=2048 count=2048 iflag=direct status=none | tr -d '\0' | wc -c)" 0
check 'compare and write' storage_compare_and_write "$disk" "$sg"
check 'blocks are given up' storage_unmap "$disk" 8
check 'blocks of 4096 hold data' dd if=/run/pattern of="$fourk" bs=1M oflag=direct status=none
check 'and give it back' cmp -n 16777216 /run/pattern "$fourk"

check_says 'with its usage' '7f .*00 09' sg_opcodes --opcode=0x7f,9 "$sg"
check 'write' dd if=/run/pattern of="$disk" bs=1M count=16 oflag=direct status=none
check 'READ(32) reads' read_32
check 'what is there' cmp -n 4096 /run/pattern /run/read32
check 'WRITE SAME(32) writes' \
	sg_write_same --32 --lba=64 --num=64 --in=/dev/zero --xferlen=512 "$sg"
check_equal 'zeros' \
	"$(dd if="$disk" bs=512 skip=64 count=64 iflag=direct status=none | tr -d '\0' | wc -c)" 0
check_says 'and is no UNMAP of a thick unit' 'Illegal request|Invalid field in cdb' \
	sg_write_same --32 --unmap --lba=0 --num=8 --in=/dev/zero --xferlen=4096 "$(sg_of "$fourk")"

check 'all log pages' sg_logs --all "$sg"
check_says 'log pages' 'Logical block provisioning' sg_logs "$sg"
check_says 'with subpages' '0x19,0xff' sg_logs --page=0,0xff "$sg"
check_says 'statistics' 'number of write commands = [1-9]' sg_logs --page=0x19 "$sg"
check_says 'the size of a threshold set' 'Threshold exponent: 11' sg_vpd --page=lbpv "$sg"
check_says 'the threshold' '81 02 00 00 +00 00 00 20' sg_modes --page=0x1c,2 "$sg"
check_says 'no threshold on a thick unit' 'not supported|Invalid field' \
	sg_modes --page=0x1c,2 "$(sg_of "$fourk")"
check 'blocks are given up' blkdiscard "$disk"
check_equal 'and counted' "$(storage_used_mb "$sg")" 0
check 'write less than the threshold' dd if=/dev/urandom of="$disk" bs=1M count=32 oflag=direct status=none
check_equal 'counts' "$(storage_used_mb "$sg")" 32
check 'nobody hears of that' sg_turs -n 20 "$sg"
check 'write more' dd if=/dev/urandom of="$disk" bs=1M seek=32 count=2 oflag=direct status=none
check 'the initiator hears of it' wait_for 30 storage_hears_threshold "$disk"

check 'NULLRW takes writes' dd if=/run/pattern of="$null" bs=1M count=8 oflag=direct status=none
check_equal 'and reads as zeros' \
	"$(dd if="$null" bs=1M count=8 iflag=direct status=none | tr -d '\0' | wc -c)" 0

check 'fio finds what it wrote' storage_fio "$disk"

storage_down
finish
