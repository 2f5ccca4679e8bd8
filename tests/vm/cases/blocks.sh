#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# blocks.sh - LUNs of a class that leaves SCSI to the target.
#
# Runs in the test machine.  blocks_driver.ko knows READ and WRITE only; what
# sg3_utils and the kernel's disk driver ask besides, the target answers.  Its
# disks are TargetDevice lines: they come, stay and go while one of them is used.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
[ -e /modules/blocks_driver.ko ] || skip_case 'there is no blocks_driver.ko'
klog_mark blocks

set_devices() { echo "$1" >/sys/module/blocks_driver/parameters/devices; }

engine_load
check 'the driver loads' insmod /modules/blocks_driver.ko target_name="$IQN" \
	devices='one,BLOCKS,SN=4711,WWN=5000C50012345678;two,BLOCKS,RO'
wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
login >/run/login.out 2>&1 || give_up 'login' "$(cat /run/login.out)"
disk=$(disk_of "$IQN" 0) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
locked=$(disk_of "$IQN" 1) || give_up 'the second disk appears' "$(dmesg | tail -n 20)"
sg=$(sg_of "$disk")

check_says 'INQUIRY' 'RAM BLOCKS' sg_inq "$sg"
check_says 'the serial number' '4711' sg_inq --page=sn "$sg"
check_says 'the NAA designator' '0x5000c50012345678' sg_vpd --page=di "$sg"
check_says 'the name of the port' "$IQN,t,0x0001" sg_vpd --page=di "$sg"
check 'block limits' sg_vpd --page=bl "$sg"
check 'block characteristics' sg_vpd --page=bdc "$sg"
check_fails 'a page that is not there' sg_vpd --page=0xb3 "$sg"
check_says 'READ CAPACITY(10)' 'Number of logical blocks=32768' sg_readcap "$sg"
check_says 'READ CAPACITY(16)' 'Number of logical blocks=32768' sg_readcap --long "$sg"
check_says 'REPORT LUNS' 'Lun list length = 16' sg_luns "$sg"
check 'TEST UNIT READY' sg_turs --number=10 "$sg"
check 'REQUEST SENSE' sg_requests "$sg"
check_says 'MODE SENSE' 'Caching' sg_modes --page=8 "$sg"
check_says 'the ports of the target' "$IQN,t,0x0001" sg_vpd --page=sp "$sg"
check 'extended INQUIRY data' sg_vpd --page=ei "$sg"
check_says 'task management functions' 'Logical unit reset' sg_opcodes --tmf "$sg"

# control FLAGS ACCESS: the control mode page with these bytes; 20 of the first is constant.
control() { sg_wr_mode --page=0x0a --contents="0a,0a,$1,10,$2,00,00,00,ff,ff,00,00" "$sg"; }
check 'MODE SELECT chooses descriptors' control 24 00
check_says 'and sense data has them' 'Descriptor format' sg_raw -v "$sg" c1 00 00 00 00 00
check_says 'a field that cannot be changed' 'Illegal request' control 21 00
check 'MODE SELECT protects the unit' control 20 08
check_says 'a write to it' 'protect' \
	sg_raw --send=512 --infile=/dev/zero "$sg" 2a 00 00 00 00 00 00 00 01 00
check 'MODE SELECT allows writes again' control 20 00
check 'START STOP UNIT' sg_start --stop "$sg"
check 'and it is still there' sg_turs "$sg"
check_says 'supported commands' 'Read\(16\)' sg_opcodes "$sg"
check_says 'a command that is not there' 'Invalid command operation code' \
	sg_raw "$sg" c1 00 00 00 00 00
check_says 'a block that is not there' 'out of range' \
	sg_raw --request=512 "$sg" 28 00 00 00 80 00 00 00 01 00

dd if=/dev/urandom of=/run/pattern bs=1M count=8 status=none
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
check 'read back' cmp -n 8388608 /run/pattern "$disk"
check 'flush' sg_sync "$sg"
check_equal 'write protection is seen' "$(cat "/sys/block/${locked##*/}/ro")" 1
check_says 'a write to a read-only LUN' 'protect' \
	sg_raw --send=512 --infile=/run/pattern "$(sg_of "$locked")" 2a 00 00 00 00 00 00 00 01 00

# LUN 0 is read all the time; what else there is changes below it.
reads_begin "$disk"
for round in 1 2 3 4 5; do
	set_devices 'one,BLOCKS,SN=4711,WWN=5000C50012345678'
	set_devices "one,BLOCKS,SN=4711,WWN=5000C50012345678;new$round,BLOCKS"
done
check 'reads go on under reloads' reads_end
check 'what was written is still there' cmp -n 8388608 /run/pattern "$disk"
check_fails 'a line of no class is refused' set_devices 'one,BLOCKS;x,NOWHERE'
check_says 'and the log says why' 'no LUN class' klog_since
check 'the disk is as before' cmp -n 8388608 /run/pattern "$disk"

detach
check 'the driver unloads' rmmod blocks_driver
stop_initiator
check 'the target unloads' rmmod chiscsi
check_klog 'nothing bad in the log'
finish
