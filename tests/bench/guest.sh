#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh - the benchmark's half inside the test machine.
#
# Started by tests/bench/run with NAME=VALUE arguments, which it knows by the same
# names.  Loads our target on port 3260, LIO on 3261 and tgt on 3262, opens a
# session to each, and a second one with digests where a job wants that, writes
# the disks, verifies a part of each, has fio's jobs go round the targets
# (measure.sh), and verifies again.  Our target serves a built-in RAM disk from a
# chiscsi.conf, as an administrator has it (mem, or null: writes are dropped), or
# the sample driver's.
# Lines that start with "bench-" are for tests/bench/report.

# shellcheck disable=SC2154 # Variables that run gives.

set -eu

# peers, lun, jobs, rounds, seconds, keys, engine, driver, profile
for word in "$@"; do declare "$word"; done
jobs=${jobs//,/ }
names="chiscsi ${peers//,/ }"
# Read by target_chiscsi.sh, and by those of the peers.
export CHISCSI_ARGS=$engine
[ "$lun" != null ] || export NULL_DISKS=yes
lun_kind=$lun
# Only LIO takes digests unasked.
keys="HeaderDigest=None,CRC32C DataDigest=None,CRC32C $keys"

# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/bench/measure.sh
. /job/measure.sh

SIZE_MB=64
CONF=/run/bench.conf
PLAIN=default
DIGESTS=digests

declare -A ports=([chiscsi]=3260 [lio]=3261 [tgt]=3262)

iqn() { printf 'iqn.2026-01.test.chiscsi:%s\n' "$1"; }
portal() { printf '127.0.0.1:%s\n' "${ports[$1]}"; }

# --- targets ----------------------------------------------------------------

# with NAME FUNCTION [ARGUMENT...]: that target's version of a target function.
with()
(
	# shellcheck source=/dev/null
	. "$GUEST_LIB/target_$1.sh"
	# target_tgt.sh remembers the daemon's number in a variable.
	# shellcheck disable=SC2034
	tgtd_pid=$(pidof tgtd || :)
	"${@:2}"
)

load_one()
{
	# shellcheck disable=SC2086 # Several words are meant.
	case $1-$lun_kind in
	chiscsi-driver) with chiscsi target_load "$(iqn chiscsi)" "PortalGroup=1@$(portal chiscsi)" "$SIZE_MB" $driver ;;
	chiscsi-*) load_ours ;;
	*) with "$1" target_load "$(iqn "$1")" "PortalGroup=1@$(portal "$1")" "$SIZE_MB" && "keys_of_$1" ;;
	esac && wait_for_port 127.0.0.1 "${ports[$1]}"
}

load_ours()
{
	local key option=
	[ "$lun_kind" != null ] || option=,NULLRW
	{
		printf 'target:\n\tTargetName=%s\n\tPortalGroup=1@%s\n' "$(iqn chiscsi)" "$(portal chiscsi)"
		printf '\tTargetDevice=bench,MEM,size=%sMB%s\n' "$SIZE_MB" "$option"
		for key in $keys; do printf '\t%s\n' "$key"; done
	} >"$CONF"
	chmod 600 "$CONF"
	with chiscsi engine_load && iscsictl -S "target=$(iqn chiscsi)" -f "$CONF"
}

keys_of_lio()
{
	local key
	for key in $keys; do
		echo "${key#*=}" >"/sys/kernel/config/target/iscsi/$(iqn lio)/tpgt_1/param/${key%%=*}" || return 1
	done
}

keys_of_tgt()
{
	local key
	for key in $keys; do
		tgtadm --lld iscsi --mode target --op update --tid 1 --name "${key%%=*}" --value "${key#*=}" || return 1
	done
}

unload_one()
{
	if [ "$1-$lun_kind" = chiscsi-mem ] || [ "$1-$lun_kind" = chiscsi-null ]; then
		check 'our target goes' iscsictl -s "target=$(iqn chiscsi)"
	fi
	check "$1 unloads" with "$1" target_unload
}

# --- sessions ---------------------------------------------------------------

# iface_of JOB: which of the two sessions to each target it runs on.
iface_of()
{
	case $1 in *+digests) echo "$DIGESTS" ;; *) echo "$PLAIN" ;; esac
}

ifaces()
{
	local job
	for job in $jobs; do iface_of "$job"; done | sort -u
}

# session_set NAME IFACE KEY VALUE
session_set()
{
	iscsiadm -m node -T "$(iqn "$1")" -p "$(portal "$1")" -I "$2" -o update -n "$3" -v "$4"
}

# open_session NAME IFACE: the pings of an idle session would only disturb, and the
# depth is the job's.
open_session()
{
	local what digest=None
	[ "$2" = "$PLAIN" ] || digest=CRC32C
	iscsiadm -m discovery -t sendtargets -o new -p "$(portal "$1")" -I "$2" || return 1
	for what in 'conn[0].timeo.noop_out_interval=0' 'conn[0].timeo.noop_out_timeout=0' \
		session.queue_depth=128 session.cmds_max=256 \
		"conn[0].iscsi.HeaderDigest=$digest" "conn[0].iscsi.DataDigest=$digest"; do
		session_set "$1" "$2" "node.${what%%=*}" "${what#*=}" || return 1
	done
	login "$(iqn "$1")" "$(portal "$1")" "$2"
}

# find_and_tune NAME IFACE
find_and_tune()
{
	local disk
	disk=$(disk_of "$(iqn "$1")" "$(with "$1" lun 0)" "$2") ||
		give_up "the disk of $1 appears" "$(dmesg | tail -n 20)"
	disks[$1-$2]=$disk
	echo none >"/sys/block/${disk##*/}/queue/scheduler"
	describe "$1" "$2" "$disk"
}

# describe NAME IFACE DISK: what was negotiated, because it explains the figures.
describe()
{
	local session key out="bench-session\t$1\t$2"
	session=$(session_dirs "$(iqn "$1")" "$2")
	for key in initial_r2t immediate_data first_burst_len max_burst_len max_outstanding_r2t; do
		out="$out\t$key=$(cat "$session/$key")"
	done
	session=$(echo "$session"/device/connection*/iscsi_connection/connection*)
	for key in header_digest data_digest max_recv_dlength max_xmit_dlength; do
		out="$out\t$key=$(cat "$session/$key")"
	done
	for key in queue/max_sectors_kb queue/nr_requests device/queue_depth; do
		out="$out\t${key#*/}=$(cat "/sys/block/${3##*/}/$key")"
	done
	printf '%b\n' "$out"
}

open_all()
{
	local name iface
	iscsiadm -m iface -I "$DIGESTS" -o new >/run/iface.out 2>&1 || give_up 'a second interface' "$(cat /run/iface.out)"
	for iface in $(ifaces); do
		for name in $names; do
			open_session "$name" "$iface" >/run/login.out 2>&1 ||
				give_up "login to $name" "$(cat /run/login.out; dmesg | tail -n 20)"
			find_and_tune "$name" "$iface"
		done
	done
}

# --- the whole --------------------------------------------------------------

klog_mark bench
# tgt's files are in memory as well.
mount -t tmpfs tmpfs /tmp
modprobe -a iscsi_tcp sd_mod sg
for name in $names; do
	load_one "$name" >/run/load.out 2>&1 || give_up "$name loads" "$(cat /run/load.out; dmesg | tail -n 20)"
done
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
open_all
printf 'bench-machine\tkernel=%s\tprocessors=%s\tprocessor=%s\n' "$(uname -r)" \
	"$(grep -c ^processor /proc/cpuinfo)" "$(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)"

fill_all
verify_all 4
count_calls
measure_all
[ "$profile" = no ] || profile_all
verify_all 4

check 'logout' iscsiadm -m node --logoutall=all
stop_initiator
for name in $names; do unload_one "$name"; done
check_klog 'nothing bad in the log'
[ "$failed" -eq 0 ]
