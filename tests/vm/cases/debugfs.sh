#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debugfs.sh - targets, sessions and statistics as files.
#
# Runs in the test machine.  What the files say is whole while sessions come and go; a file
# says what was true when it was opened, also after its target has gone; and an open one holds
# the module, which loads and unloads while somebody opens them as fast as he can.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
grep -q '^nodev.debugfs$' /proc/filesystems || skip_case 'there is no debugfs'
klog_mark debugfs

folder=/sys/kernel/debug/chiscsi
IQN=iqn.2026-11.org.example:files
conf=/run/chiscsi.conf
reader=
trap '[ -z "$reader" ] || kill "$reader" 2>/dev/null || :' EXIT

# is_whole FILE: every record has its end, and no line is without a key.
is_whole()
{
	mawk '/^$/ { open = 0; next } !/^[a-z_0-9]+=/ { bad = 1 } { open = 1 }
		END { exit bad || open }' "$1"
}

read_all()
{
	local file
	for file in targets sessions statistics; do
		cat "$folder/$file" >/run/view || return 1
		is_whole /run/view || { cp /run/view /run/view.bad; return 1; }
	done
}

read_on()
{
	while [ ! -e /run/debugfs.enough ]; do
		read_all || { echo "$? after $rounds" >/run/reader.failed; return 1; }
		rounds=$((rounds + 1))
		echo "$rounds" >/run/rounds
	done
}

# Only while the module is there; what is read then is not looked at.
open_on()
{
	while [ ! -e /run/debugfs.enough ]; do
		cat $folder/targets $folder/sessions $folder/statistics >/dev/null 2>&1 || :
	done
}

cat >$conf <<END
target:
    TargetName=$IQN
    TargetDevice=ram,MEM,size=16MB
    TargetDevice=more,MEM,size=16MB
    PortalGroup=1@127.0.0.1:3260
END
chmod 600 $conf

check 'the module loads' engine_load
check_equal 'only root may read' "$(stat -c '%a %U' $folder/targets $folder/sessions $folder/statistics | sort -u)" '400 root'
check_equal 'no target' "$(cat $folder/targets)" ''
check 'the target starts' iscsictl -S target=ALL -f $conf
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
attach
check 'something is read' dd if="$disk" of=/dev/null bs=64k count=16 iflag=direct
check_says 'the target' "^target=$IQN$" cat $folder/targets
check_says 'its LUNs' '^luns=2$' cat $folder/targets
check_says 'the session' "^initiator=$INITIATOR" cat $folder/sessions
check_says 'its connection' '^connection=0$' cat $folder/sessions
check_says 'the counters of a LUN' '^lun=1$' cat $folder/statistics
check_says 'latencies' '^latency_us=[0-9]+:[0-9]+' cat $folder/statistics
check_says 'their sum' '^latency_total_us=[1-9][0-9]*$' cat $folder/statistics
check_says 'the portal' '^portal=127.0.0.1:3260$' cat $folder/statistics
check 'all of it is whole' read_all
check_fails 'nothing can be written' sh -c "echo x >$folder/targets"

rounds=0
rm -f /run/debugfs.enough /run/reader.failed /run/rounds
read_on &
reader=$!
for round in 1 2 3; do
	check "round $round: logout" logout
	check "round $round: login" login
	disk=$(disk_of "$IQN" 0) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
	check "round $round: something is read" dd if="$disk" of=/dev/null bs=64k count=4 iflag=direct
	check "round $round: and the target reloaded" iscsictl -S target=ALL -f $conf
done
check 'the reader was there' wait_for "$PATIENCE" test -s /run/rounds
touch /run/debugfs.enough
wait "$reader" || :
reader=
check_equal 'it read nothing but whole records' "$(cat /run/reader.failed /run/view.bad 2>/dev/null)" ''
detach

# --- open files ------------------------------------------------------------------

exec 5<$folder/statistics
check_says 'it begins with the target' "^target=$IQN$" dd bs=64 count=1 <&5
check 'the target stops' iscsictl -s target=ALL
check_says 'the rest is what was true' '^portal=' cat <&5
check_fails 'an open file holds the module' rmmod chiscsi
exec 5<&-
check 'the module unloads' rmmod chiscsi
check_fails 'the files are gone with it' test -e $folder

rm -f /run/debugfs.enough
open_on &
reader=$!
for round in 1 2 3; do
	check "opened all the time: load $round" engine_load
	check "opened all the time: unload $round" wait_for "$PATIENCE" rmmod chiscsi
done
touch /run/debugfs.enough
wait "$reader" || :
reader=
stop_initiator
check_klog 'nothing bad in the log'
finish
