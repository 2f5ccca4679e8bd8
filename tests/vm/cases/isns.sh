#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# isns.sh - targets found through an iSNS server.
#
# Runs in the test machine.  isnsd of open-isns is the server, chisns registers what iscsictl
# starts, and open-iscsi asks the server for targets: it finds them with their portals, logs in by
# that, finds no target that wants none of it, and none that was stopped.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/isns.sh
. "$GUEST_LIB/isns.sh"

need_chiscsi
isns_begin iscsictl chisns isnsd

iqn=iqn.2026-11.org.example:isns

# found: what open-iscsi learns from the server, as "PORTAL,TAG NAME".
found()
{
	iscsiadm -m discoverydb -t isns -p "$ISNS_SERVER" -o new >/dev/null 2>&1 || :
	iscsiadm -m discoverydb -t isns -p "$ISNS_SERVER" --discover 2>/dev/null || :
}

finds() { found | grep -qF -- "$1"; }
finds_not() { ! finds "$1"; }

write_conf()
{
	cat >"$folder/chiscsi.conf" <<-END
		target:
		    TargetName=$iqn-a
		    TargetDevice=ram,MEM,size=16MB
		    PortalGroup=7@127.0.0.1:3260
		target:
		    TargetName=$iqn-b
		    TargetDevice=ram,MEM,size=16MB
		    PortalGroup=1@127.0.0.1:3261
		target:
		    TargetName=$iqn-silent
		    TargetDevice=ram,MEM,size=16MB
		    PortalGroup=1@127.0.0.1:3262
		    RegisteriSNS=No
	END
	chmod 600 "$folder/chiscsi.conf"
}

IQN=$iqn-a
write_conf
engine_load
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
check 'the server starts' start_isnsd
# Longer than this case lasts: news can only come from iscsictl.
start_chisns 3600
check 'the targets start' iscsictl -S target=ALL -f "$folder/chiscsi.conf"
check 'the first is found, with its portal and tag' wait_for "$PATIENCE" finds "127.0.0.1:3260,7 $iqn-a"
check 'so is the second' wait_for "$PATIENCE" finds "127.0.0.1:3261,1 $iqn-b"
check 'one that wants not to be is not' finds_not "$iqn-silent"
check 'login to what was found' login
disk=$(disk_of "$IQN" 0) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
check 'it can be read' dd if="$disk" of=/dev/null bs=1M count=4
check 'the second stops' iscsictl -s "target=$iqn-b"
check 'it is not found any more' wait_for "$PATIENCE" finds_not "$iqn-b"
check 'the first still is' finds "$iqn-a"
detach
check 'chisns ends when it is told' sh -c "kill $chisns"
check 'by itself' wait_for "$PATIENCE" has_ended "$chisns"
check 'and takes its targets away' finds_not "$iqn-a"
check_equal 'it had nothing to say' "$(cat "$folder/chisns.log")" ''
check 'the targets stop' iscsictl -s target=ALL
stop_initiator
check 'the module unloads' rmmod chiscsi
finish
