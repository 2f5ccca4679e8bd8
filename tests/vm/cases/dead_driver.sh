#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# dead_driver.sh - a storage driver that never answers.
#
# Runs in the test machine.  ifacedriver's parameter `stuck` makes it keep every
# command.  Whatever the initiator or the administrator then does must still
# end: task management, logout, a new session, and the removal of the target.
# chiscsi.ko is loaded with a short limit for a driver's answer.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

stuck() { echo "$1" >/sys/module/ifacedriver/parameters/stuck; }

# A read that the driver keeps.  It goes through sg, which gives it a short time and no second try.
stuck_read()
{
	sg=/dev/$(basename "$(readlink -f "/sys/block/${disk##*/}/device/generic")")
	timeout 120 sg_raw --timeout=5 --request=512 "$sg" 28 00 00 00 00 00 00 00 01 00 \
		>/dev/null 2>&1 &
	reader=$!
	wait_for "$PATIENCE" sh -c "[ \"\$(cat /sys/block/${disk##*/}/device/iorequest_cnt)\" != \
		\"\$(cat /sys/block/${disk##*/}/device/iodone_cnt)\" ]"
}

# ends COMMAND...: it may fail, and must not hang.
ends()
{
	local status=0
	timeout 120 "$@" >/dev/null 2>&1 || status=$?
	[ "$status" != 124 ]
}

need_chiscsi
need_sample stuck
klog_mark dead_driver
CHISCSI_ARGS='abort_timeout=3'
up
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
node_set node.session.timeo.replacement_timeout 5
node_set 'node.session.err_timeo.abort_timeout' 5
node_set 'node.session.err_timeo.lu_reset_timeout' 5
attach_known

stuck 1
check 'a command is with the driver' stuck_read
check 'a LUN reset is answered' ends sg_reset --device --no-escalate "$sg"
stuck 0
wait "$reader" || :
check 'the disk works again' dd if="$disk" of=/dev/null bs=64k count=16 iflag=direct

stuck 1
check 'another command is with the driver' stuck_read
check 'logout ends' ends iscsiadm -m node -T "$IQN" --logout
wait "$reader" || :
stuck 0
check 'a new login' login
disk=$(disk_of "$IQN" "$(lun 0)") || give_up 'the disk appears'
check 'the disk works' dd if="$disk" of=/dev/null bs=64k count=16 iflag=direct

stuck 1
check 'a third command is with the driver' stuck_read
check 'the target can be removed' timeout 60 rmmod ifacedriver
wait "$reader" || :
iscsiadm -m node --logoutall=all >/dev/null 2>&1 || :
stop_initiator
check 'chiscsi.ko unloads' unload_target
check_klog 'the kernel log is clean'
finish
