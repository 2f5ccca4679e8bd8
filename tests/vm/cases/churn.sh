#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# churn.sh [SECONDS [SESSIONS]] - everything comes and goes at once.
#
# Runs in the test machine.  Two initiator names log in with SESSIONS sessions
# each and out again, round after round, while a session of its own carries
# verified data and another driver's target is added and removed.  Afterwards
# the memory of the kernel is what it was before.  The long form:
#
#	tests/vm/run --mem 2048 --timeout 1200 tests/vm/cases/churn.sh 600 64

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

seconds=${1:-30}
sessions=${2:-4}
# What the kernel may keep more than before, in KiB: its own pools, which have
# grown with the devices that came and went.
SLACK_KB=$((4096 + 32 * sessions))

add_initiator()
{
	iscsiadm -m iface -I "$1" -o new &&
		iscsiadm -m iface -I "$1" -o update -n iface.transport_name -v tcp &&
		iscsiadm -m iface -I "$1" -o update -n iface.initiatorname -v "$INITIATOR.$1"
}

# configure: records of all initiators, with their numbers of sessions.
configure()
{
	iscsiadm -m discovery -t sendtargets -p "$PORTAL" -I steady -I first -I second >/dev/null &&
		iscsiadm -m node -T "$IQN" -I first -o update -n node.session.nr_sessions -v "$sessions" &&
		iscsiadm -m node -T "$IQN" -I second -o update -n node.session.nr_sessions -v "$sessions"
}

# come_and_go NAME: logs in and out until the time is over, and twice at least;
# counts in a file.
come_and_go()
{
	local rounds=0 here
	while [ "$(uptime_s)" -lt "$end" ] || [ "$rounds" -lt 2 ]; do
		login "$IQN" "$PORTAL" "$1" >"/run/churn.$1" 2>&1 || return 1
		here=$(session_dirs "$IQN" "$1" | wc -l)
		[ "$here" -eq "$sessions" ] || { echo "$here sessions of $sessions"; return 1; }
		logout "$IQN" "$PORTAL" "$1" >"/run/churn.$1" 2>&1 || return 1
		rounds=$((rounds + 1))
		echo "$rounds" >"/run/rounds.$1"
	done
}

# other_targets: a target of another driver is added and removed.
other_targets()
{
	local rounds=0
	while [ "$(uptime_s)" -lt "$end" ] || [ "$rounds" -lt 2 ]; do
		insmod /modules/minimal_driver.ko portal=1@127.0.0.1:3270 || return 1
		wait_for_port 127.0.0.1 3270 || return 1
		rmmod minimal_driver || return 1
		rounds=$((rounds + 1))
		echo "$rounds" >/run/rounds.targets
	done
}

# steady_data DISK: until the time is over.
steady_data()
{
	while [ "$(uptime_s)" -lt "$end" ]; do
		fio --name=steady --filename="$1" --direct=1 --ioengine=libaio --iodepth=4 --bs=16k \
			--rw=randrw --size=8m --io_size=1m --verify=crc32c --verify_fatal=1 \
			--eta=never >/run/steady.out 2>&1 || { cat /run/steady.out; return 1; }
	done
}

# slab_kb: what the kernel has allocated and could not give back at once: names and
# files of devices that are gone stay cached until somebody needs the memory.
slab_kb()
{
	echo 2 >/proc/sys/vm/drop_caches
	awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo
}

# all_at_once DISK: the four jobs; each of them has to end well.
all_at_once()
{
	local job jobs='' status=0
	end=$(($(uptime_s) + seconds))
	come_and_go first & jobs="$jobs $!"
	come_and_go second & jobs="$jobs $!"
	other_targets & jobs="$jobs $!"
	steady_data "$1" & jobs="$jobs $!"
	for job in $jobs; do
		wait "$job" || status=1
	done
	return "$status"
}

# settled LIMIT: the kernel frees devices and sockets some time after their end.
settled()
{
	[ "$(slab_kb)" -le "$1" ]
}

done_rounds()
{
	cat "/run/rounds.$1" 2>/dev/null || echo 0
}

need_chiscsi
klog_mark churn
up "lun_sizes_mb=16"
for name in steady first second; do
	check "initiator $name" add_initiator "$name"
done
check 'discovery' configure
check 'the steady session' login "$IQN" "$PORTAL" steady
disk=$(disk_of "$IQN" "$(lun 0)" steady) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
before_kb=$(slab_kb)
check "$seconds seconds of everything" all_at_once "$disk"
check 'rounds of the first initiator' test "$(done_rounds first)" -ge 2
check 'rounds of the second initiator' test "$(done_rounds second)" -ge 2
check 'targets came and went' test "$(done_rounds targets)" -ge 2
printf '# rounds: %s and %s of %s sessions each, %s targets\n' "$(done_rounds first)" \
	"$(done_rounds second)" "$sessions" "$(done_rounds targets)"
check 'the steady session lives' dd if="$disk" of=/dev/null bs=64k count=8 iflag=direct
check_equal 'one session is left' "$(session_count)" 1
check 'memory is back' wait_for 30 settled $((before_kb + SLACK_KB))
printf '# slab: %s KiB before, %s KiB at the end\n' "$before_kb" "$(slab_kb)"
down
for name in steady first second; do
	iscsiadm -m iface -I "$name" -o delete >/dev/null 2>&1 || :
done
check_klog 'the kernel log is clean'
finish
