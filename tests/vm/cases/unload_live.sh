#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# unload_live.sh - rmmod while sessions and commands are alive.
#
# Runs in the test machine.  The unload may be refused as busy, and then the
# disk must go on working, or it may end the sessions, and then it must finish
# within the limit.  Either way a later unload succeeds and the log is clean.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

# unload_under_load: prints "refused" or "ended"; status 1 for a hang.
unload_under_load()
{
	local status=0
	timeout 120 rmmod ifacedriver >/run/rmmod.out 2>&1 || status=$?
	case $status in
	0) outcome=ended ;;
	124 | 137) outcome=hung; return 1 ;;
	*) outcome=refused; grep -qiE 'in use|busy|resource temporarily' /run/rmmod.out ;;
	esac
}

still_works()
{
	dd if="$disk" of=/dev/null bs=64k count=16 iflag=direct
}

need_chiscsi
klog_mark unload_live
up
# A session that died must fail its commands soon, or the load would wait.
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
node_set node.session.timeo.replacement_timeout 5
attach_known
check_fails 'chiscsi.ko is in use' rmmod chiscsi
fio --name=load --filename="$disk" --direct=1 --ioengine=libaio --iodepth=16 --rw=randrw \
	--bs=16k --size=32m --time_based --runtime=15 --eta=never >/run/load-fio.out 2>&1 &
load=$!
wait_for "$PATIENCE" sh -c "[ \"\$(awk '{ print \$1 }' /sys/block/${disk##*/}/stat)\" -gt 50 ]" || :
check 'unload with commands in flight is refused or ends' unload_under_load
case $outcome in
refused)
	check 'the load goes on' wait "$load"
	check 'the disk still works' still_works
	detach
	;;
ended)
	wait "$load" || :
	ok 'the load ended'
	logout >/dev/null 2>&1 || :
	;;
esac
down
check_klog 'the kernel log is clean'
finish
