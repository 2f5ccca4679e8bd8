#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cpu_hotplug.sh - processors go and come back while I/O runs.
#
# Runs in the test machine; needs two processors.  Two sessions, so that each
# processor's worker has one, carry verified data while the second processor is
# taken away and given back again and again; then a login and an unload happen
# without it, and a load.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
CPU=/sys/devices/system/cpu/cpu1/online
ROUNDS=8
[ -w "$CPU" ] || skip_case 'no second processor that can be taken away'

add_iface()
{
	iscsiadm -m iface -I "$1" -o new &&
		iscsiadm -m iface -I "$1" -o update -n iface.transport_name -v tcp &&
		iscsiadm -m iface -I "$1" -o update -n iface.initiatorname -v "$INITIATOR.$1"
}

# io NAME DISK: verified data on half of the disk until /run/stop appears, once at least.
io()
{
	while :; do
		fio --name="$1" --filename="$2" --direct=1 --ioengine=libaio --iodepth=8 --bs=16k \
			--rw=randrw --offset="$3" --size=8m --io_size=4m --verify=crc32c \
			--verify_fatal=1 --eta=never || return 1
		[ ! -e /run/stop ] || return 0
	done
}

# toggle: takes the processor away and gives it back, each time while data flows.
toggle()
{
	local round before
	for round in $(seq "$ROUNDS"); do
		echo 0 >"$CPU" || return 1
		before=$(sectors)
		wait_for "$PATIENCE" moved "$before" || { echo "round $round: no I/O without it"; return 1; }
		echo 1 >"$CPU" || return 1
		before=$(sectors)
		wait_for "$PATIENCE" moved "$before" || { echo "round $round: no I/O with it"; return 1; }
	done
}

# sectors: read and written by all disks of the target.
sectors()
{
	local sum=0 name line
	for name in "${disks[@]}"; do
		read -ra line <"/sys/block/${name##*/}/stat"
		sum=$((sum + line[2] + line[6]))
	done
	echo "$sum"
}

moved()
{
	[ "$(sectors)" -gt $(($1 + 256)) ]
}

up
{ add_iface one && add_iface two; } >/run/iface.out 2>&1 || give_up 'interfaces' "$(cat /run/iface.out)"
iscsiadm -m discovery -t sendtargets -p "$PORTAL" -I one -I two >/dev/null ||
	give_up 'discovery' ''
check 'two sessions' login
disks=("$(disk_of "$IQN" "$(lun 0)" one)" "$(disk_of "$IQN" "$(lun 0)" two)") ||
	give_up 'the disks appear' ''

klog_mark hotplug
rm -f /run/stop
io one "${disks[0]}" 0 >/run/io.one 2>&1 &
first=$!
io two "${disks[1]}" 16m >/run/io.two 2>&1 &
second=$!
check "the processor goes and comes back, $ROUNDS times" toggle
: >/run/stop
check 'data of the first session' wait "$first"
check 'data of the second session' wait "$second"
grep -q 'verify:\|error' /run/io.one /run/io.two && not_ok 'no errors' "$(tail -n 20 /run/io.*)"

check 'away once more' sh -c "echo 0 >$CPU"
check 'logout without it' logout
check 'login without it' login
check 'data without it' fio --name=alone --filename="$(disk_of "$IQN" "$(lun 0)" one)" --direct=1 \
	--bs=16k --rw=randwrite --size=4m --verify=crc32c --eta=never
check 'logout' logout
down
load_target >/run/load.out 2>&1 || not_ok 'the target loads without it' "$(cat /run/load.out)"
check 'the target listens' wait_for_port
check 'the target unloads without it' unload_target
check 'and back' sh -c "echo 1 >$CPU"
check_klog 'nothing bad in the log'
finish
