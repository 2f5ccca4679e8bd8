#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# multipath.sh - one unit by two ways, with multipath-tools.
#
# Runs in the test machine.  Two portal groups have an address each; their states (ALUA)
# tell multipathd which way to take.  fio writes and verifies all the time while a network
# dies and comes back, while the states change, and while a reload takes a portal group away.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
command -v multipathd >/dev/null || skip_case 'there is no multipathd'
modprobe -a dummy dm_multipath dm_service_time scsi_dh_alua 2>/dev/null && grep -q device-mapper /proc/misc ||
	skip_case 'the kernel has no dm_multipath'
klog_mark multipath
# multipathd looks at its paths one after the other, and waits for those that are dead.
PATIENCE=180

IQN=iqn.2026-01.test.chiscsi:multipath
PORTAL=192.0.2.1:3260
conf=/run/multipath.conf
map=/dev/mapper/mpatha

# portals GROUP...: starts the target with these portal groups, or reloads it.
portals()
{
	local group
	{
		printf 'target:\n\tTargetName=%s\n\tTargetDevice=disk,MEM,size=64MB\n' "$IQN"
		for group in "$@"; do printf '\tPortalGroup=%s@192.0.2.%s:3260\n' "$group" "$group"; done
	} >$conf
	iscsictl -S "target=$IQN" -f $conf
}

network() { ip addr "$2" "192.0.2.$1/32" dev "way$1"; }

# both_log_in: a way that is silent is given up soon.
both_log_in()
{
	discover_quietly && node_set node.session.timeo.replacement_timeout 5 || return 1
	for way in 1 2; do login "$IQN" "192.0.2.$way:3260" || return 1; done
}

# disk_by WAY: the disk whose session goes to that address.
disk_by()
{
	local session
	for session in $(session_dirs "$IQN"); do
		[ "$(cat "$session"/device/connection*/iscsi_connection/connection*/persistent_address)" = "192.0.2.$1" ] || continue
		ls "$session"/device/target*/*:0/block
		return
	done
}

both_disks() { [ -n "$(disk_by 1)" ] && [ -n "$(disk_by 2)" ]; }

# Maps are made and go without waiting for udevd, whose answer gets lost now and then: whoever
# waits for that waits for ever.
export DM_DISABLE_UDEV=1

start_multipathd()
{
	cat >/etc/multipath.conf <<-CONF
		defaults {
		        user_friendly_names yes
		        find_multipaths no
		        polling_interval 1
		        max_polling_interval 2
		}
		devices {
		        device {
		                vendor "CHISCSI"
		                product ".*"
		                path_grouping_policy group_by_prio
		                prio alua
		                failback immediate
		                no_path_retry queue
		        }
		}
	CONF
	multipathd -d -s >/run/multipathd.log 2>&1 &
	multipathd_pid=$!
	wait_for "$PATIENCE" test -b $map
}

# By a signal: its command line waits for an answer of a daemon that may be gone before.
stop_multipathd()
{
	kill -TERM "$multipathd_pid"
	wait_for "$PATIENCE" has_ended "$multipathd_pid"
}

# states WAY1 WAY2: as an initiator sets them; ao, an, s or u.
states() { sg_stpg --tp=1,2 --state="$1,$2" "/dev/$3"; }

# kernel_log_of GROUP: the last that the kernel's handler has said of it.
kernel_log_of() { klog_since | grep "alua: port group 0$1" | tail -n 1; }

finished_io() { awk '{ print $1 + $5 }' "/sys/block/$1/stat"; }

# io_goes_by DISK OTHER: after a moment only one of them works; the other may be looked at by
# multipathd, a few times.
io_goes_by()
{
	local one other
	one=$(finished_io "$1") other=$(finished_io "$2")
	wait_for 10 works_on "$1" "$one" && [ "$(finished_io "$2")" -le $((other + 5)) ]
}

works_on() { [ "$(finished_io "$1")" -gt $(($2 + 50)) ]; }

# show_paths FORMAT: what multipathd knows; one that does not answer is asked again.
show_paths() { timeout -k 1 10 multipathd show paths raw format "$1"; }

# path_is DISK STATE: what multipathd thinks of it.
path_is() { show_paths '%d %t %T' | grep -qx "$1 $2"; }

# priority DISK: as multipathd has read it.
priority() { show_paths '%d %p' | sed -n "s/^$1 //p" | tr -d ' '; }
priorities_are() { [ "$(priority "$first") $(priority "$second")" = "$1" ]; }

# writer: until it is told to stop; each pass verifies what it wrote.
writer()
{
	while [ ! -e /run/multipath.enough ]; do
		fio --name=verify --filename=$map --rw=randwrite --bs=4k --size=4M --iodepth=8 \
			--ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --do_verify=1 || return 1
		echo pass >>/run/passes
	done
}

for way in 1 2; do
	ip link add "way$way" type dummy && ip link set "way$way" up && network $way add ||
		give_up 'an address for each way' ''
done
engine_load
check 'the target starts' portals 1 2
start_udevd
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
check 'both ways are logged in' both_log_in
wait_for "$PATIENCE" both_disks || give_up 'both disks appear' "$(dmesg | tail -n 20)"
first=$(disk_by 1) second=$(disk_by 2)

check_equal 'both are one disk' "$(cat "/sys/block/$first/device/wwid")" "$(cat "/sys/block/$second/device/wwid")"
check_says 'VPD 83 names the first group' 'Target port group: 0x1' sg_vpd --page=di "/dev/$first"
check_says 'and the second' 'Target port group: 0x2' sg_vpd --page=di "/dev/$second"
check 'the states are set' states ao an "$first"
sg_turs "/dev/$second" >/dev/null 2>&1 || : # Passes over the unit attention.
check_says 'REPORT TARGET PORT GROUPS' 'active/non optimized' sg_rtpg --decode "/dev/$second"
start_multipathd || give_up 'the map appears' "$(cat /run/multipathd.log; multipath -v3 -d 2>&1 | tail -n 40)"
check 'the priorities are those of the states' wait_for "$PATIENCE" priorities_are '50 10'
check_says 'the kernel has the handler' "hwhandler='1 alua'" multipath -ll

: >/run/passes
writer >/run/writer.out 2>&1 &
writer_pid=$!
check 'the optimized way is taken' wait_for "$PATIENCE" io_goes_by "$first" "$second"

network 1 del
check 'its network dies: the path fails' wait_for "$PATIENCE" path_is "$first" 'failed faulty'
check 'the other way is taken' wait_for "$PATIENCE" io_goes_by "$second" "$first"
check_says 'the kernel has made it optimized' 'state A' kernel_log_of 2
network 1 add
check 'the network is back: so is the path' wait_for 120 path_is "$first" 'active ready'
check 'now both are as good' wait_for "$PATIENCE" priorities_are '50 50'
check 'the states are as before' states ao an "$first"
check 'the first way is taken again' wait_for "$PATIENCE" io_goes_by "$first" "$second"

check 'the states are exchanged' states an ao "$first"
check 'multipathd sees it' wait_for "$PATIENCE" priorities_are '10 50'
check 'the other way is taken' wait_for "$PATIENCE" io_goes_by "$second" "$first"

check 'a reload takes that portal group away' portals 1
check 'the path fails' wait_for "$PATIENCE" path_is "$second" 'failed faulty'
check 'the first way is taken' wait_for "$PATIENCE" io_goes_by "$first" "$second"
check 'a reload brings it back' portals 1 2
check 'and the path' wait_for 120 path_is "$second" 'active ready'

touch /run/multipath.enough
check 'all that was written was read back' wait $writer_pid
check 'and there was some' test -s /run/passes
check 'the map goes' wait_for "$PATIENCE" timeout -k 1 20 multipath -F
stop_multipathd
stop_udevd
check 'logout' logout
stop_initiator
check 'the target goes' iscsictl -s "target=$IQN"
check 'the module unloads' rmmod chiscsi
ip link del way1 && ip link del way2
rm -f /etc/multipath.conf /run/multipath.enough
# The handler would hear of states before the cases that come after this one.
modprobe -r dm_service_time dm_multipath scsi_dh_alua || not_ok 'the modules of multipath go' "$(lsmod)"
check_klog 'nothing bad in the log' multipath
finish
