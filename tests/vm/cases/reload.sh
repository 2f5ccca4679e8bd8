#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# reload.sh - what a change of the configuration file does to a session in use.
#
# Runs in the test machine.  A disk is read all the time while LUNs and portals come
# and go, later logins get new values, what cannot change is refused as a whole, and
# a mistake changes nothing.  The reader and its session must not notice.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark reload

IQN=iqn.2026-11.org.example:reload
conf=/run/chiscsi.conf

# configure LINE...: the file with these further keys.
configure()
{
	{
		printf 'target:\nTargetName=%s\nPortalGroup=1@0.0.0.0:3260\nTargetDevice=one,MEM,size=16MB\n' "$IQN"
		printf '%s\n' "$@"
	} >$conf
}
reload() { iscsictl -S target=ALL -f $conf; }
sees_size() { [ "$(blockdev --getsize64 "$(disk_of "$IQN" 1)" 2>/dev/null)" = "$1" ]; }
is_closed() { ! port_open 127.0.0.1 "$1"; }
rescan() { iscsiadm -m session --rescan >/dev/null 2>&1; }

engine_load
configure
check 'the target starts' reload
wait_for_port || give_up 'it listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
login >/run/login.out 2>&1 || give_up 'login' "$(cat /run/login.out)"
disk=$(disk_of "$IQN" 0) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
handle() { iscsictl -r "target=$IQN" | sed -n 's/^SESSION: handle=\([^,]*\),.*/\1/p'; }
before=$(handle)
dd if=/dev/urandom of=/run/pattern bs=1M count=16 status=none
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none

(while [ ! -e /run/reload.enough ]; do
	dd if="$disk" bs=1M iflag=direct status=none | cmp - /run/pattern || exit 1
done) >/run/reader.out 2>&1 &
reader=$!

configure 'TargetDevice=two,MEM,size=8MB' 'PortalGroup=2@0.0.0.0:3262'
check 'a LUN and a portal are added' reload
rescan
check 'the LUN appears' wait_for "$PATIENCE" sees_size 8388608
check 'the portal listens' wait_for "$PATIENCE" port_open 127.0.0.1 3262
configure 'TargetAlias=renamed' 'MaxBurstLength=524288'
check 'they go again, other values change' reload
check 'the portal is closed' wait_for "$PATIENCE" is_closed 3262
check_says 'the listing has the new values' 'MaxBurstLength=524288' iscsictl -c "target=$IQN"
check 'the same file again changes nothing' reload

for bad in 'TargetSessionMaxCmd=7' 'ACL_Enable=Yes' 'ACL=sip=192.0.2.1'; do
	configure "$bad" 'TargetAlias=must not be seen'
	check_says "$bad cannot change" 'cannot change while the target is active' sh -c "! iscsictl -S target=ALL -f $conf 2>&1"
done
configure 'TargetAlias=must not be seen' 'TargetDevice=/absent,FILE'
check_fails 'a device that is not there is refused' reload
configure 'TargetAlias=must not be seen' 'MaxConnections=none'
check_fails 'a mistake is refused' reload
check_says 'each as a whole' 'TargetAlias=renamed' iscsictl -c "target=$IQN"

for round in 1 2 3 4 5 6 7 8; do
	configure "TargetDevice=two,MEM,size=$((round + 1))MB"
	reload || { not_ok "reload $round under load"; break; }
	configure
	reload || { not_ok "reload $round back under load"; break; }
done
ok 'sixteen reloads under load'
touch /run/reload.enough
check 'the reader has noticed nothing' wait $reader
check_equal 'it is the same session' "$(handle)" "$before"
logout >/dev/null
check 'the target stops' iscsictl -s target=ALL
stop_initiator
check 'the module can go' unload_target
check_klog 'the kernel log is clean' reload
finish
