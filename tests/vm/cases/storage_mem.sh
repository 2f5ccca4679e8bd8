#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# storage_mem.sh - RAM disks of the built-in class MEM, and NULLRW.
#
# Runs in the test machine.  The disks are thin, so the kernel's disk driver finds
# UNMAP; sg3_utils tries the commands that compare, clear and ask.  A file system
# on such a disk is trimmed and read back.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

storage_up 'one,MEM,size=64MB,THIN;null,MEM,NULLRW;fourk,MEM,size=64MB,BS=4096'
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

check 'NULLRW takes writes' dd if=/run/pattern of="$null" bs=1M count=8 oflag=direct status=none
check_equal 'and reads as zeros' \
	"$(dd if="$null" bs=1M count=8 iflag=direct status=none | tr -d '\0' | wc -c)" 0

check 'fio finds what it wrote' storage_fio "$disk"

storage_down
finish
