#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scale.sh - 1,024 targets and 16,384 LUNs in one machine.
#
# Runs in the test machine.  One target has as many LUNs as there may be, and 1,023
# others have one each.  Discovery names them all; the last of them can be logged in
# to, and the last LUN can be written and read.  The initiator looks for no LUN by
# itself, since it would take minutes to.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

TARGETS=1024
LUNS=16384
SERVER=iqn.2026-01.test.chiscsi

write_conf()
{
	umask 077
	awk -v targets="$TARGETS" -v luns="$LUNS" -v name="$SERVER" 'BEGIN {
		printf "target:\n\tTargetName=%s:wide\n\tPortalGroup=1@0.0.0.0:3260\n", name
		for (i = 0; i < luns; i++) printf "\tTargetDevice=wide%d,MEM,size=1MB,THIN\n", i
		for (i = 1; i < targets; i++) {
			printf "target:\n\tTargetName=%s:t%d\n\tPortalGroup=1@0.0.0.0:3260\n", name, i
			printf "\tTargetDevice=t%d,MEM,size=1MB,THIN\n", i
		}
	}' >/run/scale.conf
}

# scan_lun IQN LUN: prints the disk once it can be opened. The kernel's number of a LUN above 255 has
# the bits of flat space addressing (SAM-5 4.7.5.2).
scan_lun()
{
	local session host number=$2
	[ "$number" -lt 256 ] || number=$((0x4000 | number))
	session=$(session_dirs "$1")
	host=$(readlink -f "$session" | grep -oE '/host[0-9]+' | head -n 1)
	echo "0 0 $number" >"/sys/class/scsi_host/${host#/}/scan"
	disk_of "$1" "$number"
}

# The same bytes from the last LUN as were written there, and none of them on the first.
last_lun_holds_data()
{
	dd if=/dev/urandom of=/run/pattern bs=64k count=1 status=none
	dd if=/run/pattern of="$2" bs=64k count=1 oflag=direct status=none
	cmp -n 65536 /run/pattern "$2" || return 1
	[ "$(dd if="$1" bs=64k count=1 iflag=direct status=none | tr -d '\0' | wc -c)" -eq 0 ]
}

need_chiscsi
! is_uml || skip_case 'User-Mode Linux: each LUN takes a lock class, and lockdep has 8,192; QEMU has it'
klog_mark scale
engine_load
write_conf
check 'all targets start' iscsictl -S target=ALL -f /run/scale.conf
wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"

discover >/run/names || :
check_equal 'discovery names them all' "$(sort -u /run/names | grep -c "^127\.0\.0\.1:3260,1 $SERVER:")" "$TARGETS"
iscsiadm -m node -T "$SERVER:wide" -p "$PORTAL" -o new >/dev/null
iscsiadm -m node -T "$SERVER:wide" -o update -n node.session.scan -v manual
check 'login to the target with all the LUNs' login "$SERVER:wide"
first=$(scan_lun "$SERVER:wide" 0) || give_up 'the first LUN appears' "$(dmesg | tail -n 20)"
last=$(scan_lun "$SERVER:wide" $((LUNS - 1))) || give_up 'the last LUN appears' "$(dmesg | tail -n 20)"
check_says 'REPORT LUNS counts them' "Lun list length = $((8 * LUNS))" \
	sg_luns --maxlen=$((8 * LUNS + 8)) "$(sg_of "$first")"
check 'the last LUN holds what is written there' last_lun_holds_data "$first" "$last"
check 'login to the last target' login "$SERVER:t$((TARGETS - 1))"
disk=$(disk_of "$SERVER:t$((TARGETS - 1))" 0) || give_up 'its disk appears' "$(dmesg | tail -n 20)"
check 'its disk can be written' dd if=/run/pattern of="$disk" bs=64k count=1 oflag=direct status=none

iscsiadm -m node --logoutall=all >/run/logout.out 2>&1 || :
check_equal 'no session is left' "$(find /sys/class/iscsi_session -name 'session*' 2>/dev/null | wc -l)" 0
stop_initiator
check 'all targets go' iscsictl -s target=ALL
check 'the module unloads' rmmod chiscsi
check_klog 'nothing bad in the log'
finish
