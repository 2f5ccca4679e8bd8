#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# information.sh - what a storage driver learns from the information calls.
#
# Runs in the test machine with open-iscsi.  chiscsi_info_test.ko asks and prints
# its answers to the kernel log; they are compared with what this script has moved,
# and asked for in a loop while sessions come and go.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

KIB=1024

# ask [PARAMETER...]: the lines of one load of the module, in the file /run/info.
ask()
{
	klog_mark info
	insmod /modules/chiscsi_info_test.ko "target=$IQN" "initiator=$INITIATOR" "$@" || return 1
	rmmod chiscsi_info_test || return 1
	klog_since | sed -n 's/^.*info: //p' >/run/info
}

says()
{
	check_says "$1" "$2" cat /run/info
}

# number KEY of the line that begins with $2.
number()
{
	sed -n "s/^$2 .*\<$1=\([0-9]*\).*/\1/p" /run/info
}

read_disk()
{
	dd "if=$disk" of=/dev/null bs=64k "count=$1" iflag=direct
}

write_disk()
{
	dd if=/dev/zero "of=$disk" bs=64k "count=$1" oflag=direct
}

# The initiator reads partition tables by itself: only differences are exact.
check_counts()
{
	check_equal "$1: bytes read" $(($(number read_bytes "$2") - read_bytes)) $((16 * 64 * KIB))
	check_equal "$1: bytes written" $(($(number write_bytes "$2") - write_bytes)) $((8 * 64 * KIB))
	check_equal "$1: reads" $(($(number reads "$2") - reads)) 16
	check_equal "$1: writes" $(($(number writes "$2") - writes)) 8
}

note_counts()
{
	read_bytes=$(number read_bytes "$1") write_bytes=$(number write_bytes "$1")
	reads=$(number reads "$1") writes=$(number writes "$1")
}

settled()
{
	local before
	ask && before=$(number reads session) && ask && [ "$(number reads session)" = "$before" ]
}

churn()
{
	local round
	for round in 1 2 3 4 5 6; do
		login >/dev/null || { echo "login $round"; return 1; }
		disk=$(disk_of "$IQN" "$(lun 0)") || { echo "disk $round"; return 1; }
		read_disk 4 || { echo "read $round"; return 1; }
		logout >/dev/null || { echo "logout $round"; return 1; }
	done
}

need_chiscsi
[ -f /modules/chiscsi_info_test.ko ] || skip_case 'chiscsi_info_test.ko was not built'
up
check 'the calls can be made before a session' ask
says 'the target is described' "^target name=$IQN max_burst=[0-9]+ .*chap=0"
says 'there is no session' '^sessions 0$'
says 'the portal is idle' '^portal read_bytes=0 write_bytes=0 reads=0 writes=0$'
check 'an unknown portal can be asked for' ask port=3999
says 'an unknown portal is not found' '^portal rc=-2$'
check 'an unknown target can be asked for' ask "target=$IQN.nobody"
says 'an unknown target is not found' '^target rc=-2$'
says 'nor are its sessions' '^sessions -2$'

attach
check 'the initiator comes to rest' wait_for "$PATIENCE" settled
says 'the session is described' "^session 0 peer=$INITIATOR type=0 connections=1"
says 'its connection is described' '^connection 0 from=127.0.0.1 port=3260 header_digest=1 tpgt=1'
says 'there is no second connection' '^connection 1 rc=-2$'
note_counts session
check 'data can be read' read_disk 16
check 'data can be written' write_disk 8
ask
check_counts session session
check_counts portal portal
total=$(number read_bytes portal)
detach
ask
says 'the session is gone' '^sessions 0$'
check_equal 'the portal keeps its counters' "$(number read_bytes portal)" "$total"

klog_mark churn
check 'readers start' insmod /modules/chiscsi_info_test.ko "target=$IQN" "initiator=$INITIATOR" readers=2
check 'sessions come and go meanwhile' churn
check 'the readers stop' rmmod chiscsi_info_test
klog_since | sed -n 's/^.*info: //p' >/run/info
says 'the readers have seen sessions' '^readers rounds=[1-9][0-9]* sessions=[1-9][0-9]* connections=[1-9]'
check_fails 'no answer was wrong' grep '^wrong' /run/info
check_klog 'the kernel log is clean'
down
finish
