#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh - the benchmark's half inside the test machine.
#
# Started by tests/bench/run.  Loads our target on port 3260 and the peer on
# 3261, opens a session to each, writes and verifies both disks, lets fio's jobs
# alternate between them, and verifies again.  Lines that start with "bench-"
# are for tests/bench/report: fields separated by tabs, fio's JSON at the end.
# Around each run it reads what every thread has used (/proc/PID/schedstat, ns).
#
# Our target serves a built-in RAM disk from a chiscsi.conf, as an administrator has it
# (LUN mem, or null: writes are dropped), or the sample driver's (driver).
#
# arguments: PEER ROUNDS SECONDS JOBS DIGESTS ENGINE-ARGS DRIVER-ARGS PROFILE LUN

set -eu

peer=$1
rounds=$2
seconds=$3
jobs=${4//,/ }
digests=$5
# Read by target_chiscsi.sh.
export CHISCSI_ARGS=$6
driver=$7
profile=$8
disk_kind=$9

# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

SIZE_MB=64
PEER_IQN=iqn.2026-01.test.chiscsi:peer
PEER_PORTAL=127.0.0.1:3261

# What the two targets' threads are called; the rest of LIO's work is done in
# kworkers, which nobody can tell apart, and is shown as such.
declare -A threads=([chiscsi]='^(chiscsi|iface-lun)' [lio]='^iscsi_(np|trx|ttx)' [tgt]='^tgtd')
declare -A disks

# --- setting up -------------------------------------------------------------

# with_peer FUNCTION [ARGUMENT...]: the peer's version of a target function.
with_peer()
(
	# shellcheck source=/dev/null
	. "$GUEST_LIB/target_$peer.sh"
	# target_tgt.sh remembers the daemon's number in a variable.
	# shellcheck disable=SC2034
	tgtd_pid=$(pidof tgtd || :)
	"$@"
)

# A file system in memory for tgt's files.
memory_files()
{
	mount -t tmpfs tmpfs /tmp
}

load_ours()
{
	case $disk_kind in
	# shellcheck disable=SC2086 # Several words are meant.
	driver) load_target "portal=PortalGroup=1@$PORTAL" "lun_sizes_mb=$SIZE_MB" $driver ;;
	mem) engine_load && storage_devices "bench,MEM,size=${SIZE_MB}MB" ;;
	null) engine_load && storage_devices "bench,MEM,size=${SIZE_MB}MB,NULLRW" ;;
	esac
}

# The peers' disks drop writes as well where ours does.
load_both()
{
	[ "$disk_kind" != null ] || export NULL_DISKS=yes
	load_ours && wait_for_port 127.0.0.1 3260 &&
		with_peer target_load "$PEER_IQN" "PortalGroup=1@$PEER_PORTAL" "$SIZE_MB" &&
		wait_for_port 127.0.0.1 3261
}

# open_session NAME: the pings of an idle session would only disturb.
open_session()
{
	discover "$PORTAL" &&
		node_set 'node.conn[0].timeo.noop_out_interval' 0 &&
		node_set 'node.conn[0].timeo.noop_out_timeout' 0 &&
		set_digests "$digests" &&
		login "$IQN" "$PORTAL"
}

# find_and_tune NAME IQN LUN
find_and_tune()
{
	local disk
	disk=$(disk_of "$2" "$3") || give_up "the disk of $1 appears" "$(dmesg | tail -n 20)"
	disks[$1]=$disk
	echo none >"/sys/block/${disk##*/}/queue/scheduler"
	describe "$1" "$2" "$disk"
}

# describe NAME IQN DISK: what was negotiated, because it explains the figures.
describe()
{
	local session key out="bench-session\t$1"
	session=$(session_dirs "$2")
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

# --- data -------------------------------------------------------------------

# checked DISK FIO-OPTION...: writes and reads back against the checksums.
checked()
{
	fio --name=verify --filename="$1" --direct=1 --ioengine=libaio --verify=crc32c \
		--verify_fatal=1 --verify_dump=0 --randrepeat=0 --size="${SIZE_MB}m" \
		--output-format=terse --eta=never "${@:2}" >/run/verify.out 2>&1
}

# verify NAME: the whole disk in large blocks, then a part of it in small ones.
verify()
{
	local disk=${disks[$1]}
	[ "$disk_kind" != null ] || return 0
	if ! checked "$disk" --rw=write --bs=256k --iodepth=8 ||
		! checked "$disk" --rw=randwrite --bs=4k --iodepth=16 --io_size=2m; then
		give_up "the data of $1 is right" "$(cat /run/verify.out)"
	fi
}

# --- measuring --------------------------------------------------------------

job_options()
{
	case $1 in
	4k-randread) echo '--rw=randread --bs=4k --iodepth=16' ;;
	4k-randwrite) echo '--rw=randwrite --bs=4k --iodepth=16' ;;
	256k-read) echo '--rw=read --bs=256k --iodepth=8' ;;
	256k-write) echo '--rw=write --bs=256k --iodepth=8' ;;
	4k-latency) echo '--rw=randread --bs=4k --iodepth=1' ;;
	esac
}

# job JOB NAME [fio option...]
job()
{
	local options
	options=$(job_options "$1")
	# shellcheck disable=SC2086 # Several words are meant.
	fio --name="$1" --filename="${disks[$2]}" --direct=1 --ioengine=libaio --norandommap \
		--randrepeat=0 --time_based --runtime="$seconds" --size="${SIZE_MB}m" \
		--eta=never $options "${@:3}"
}

# snapshot FILE: "thread used-ns times-run name" per thread, and the processors.
snapshot()
{
	local dir name used times
	for dir in /proc/[0-9]*/task/[0-9]*; do
		{ read -r name <"$dir/comm" && read -r used _ times <"$dir/schedstat"; } 2>/dev/null || continue
		printf '%s\t%s\t%s\t%s\n' "${dir##*/}" "$used" "$times" "$name"
	done >"$1"
	head -n 1 /proc/stat >"$1.stat"
}

# used_between FILE FILE PATTERN: "NAME:NS:TIMES,..." of the threads that match,
# with kworkers and softirq threads added up.
used_between()
{
	awk -F'\t' -v pattern="$3" '
		NR == FNR { used[$1] = $2; times[$1] = $3; next }
		{
			name = $4
			if (name ~ /^kworker/) name = "kworker"
			else if (name ~ /^ksoftirqd/) name = "ksoftirqd"
			else if (name !~ pattern) next
			gsub(/[^A-Za-z0-9_.\/-]/, "_", name)
			ns[name] += $2 - used[$1]
			runs[name] += $3 - times[$1]
		}
		END {
			for (name in ns) if (runs[name] > 0)
				printf "%s%s:%.0f:%.0f", comma++ ? "," : "", name, ns[name], runs[name]
		}' "$1" "$2"
}

# busy_between FILE FILE: busy and all ticks of the processors.
busy_between()
{
	awk '{
			all = 0
			for (i = 2; i <= 9; i++) all += $i
			idle = $5 + $6
			if (NR == 1) { a = all; b = idle }
		}
		END { printf "busy=%d\tall=%d", all - a - (idle - b), all - a }' "$1.stat" "$2.stat"
}

# measure ROUND JOB NAME
measure()
{
	local status=0
	snapshot /run/before
	job "$2" "$3" --output-format=json --output=/run/fio.json >/run/fio.out 2>&1 || status=$?
	snapshot /run/after
	if [ "$status" -ne 0 ] || [ ! -s /run/fio.json ]; then
		give_up "fio $2 on $3 (status $status)" "$(cat /run/fio.out /run/fio.json; dmesg | tail -n 20)"
	fi
	printf 'bench-run\t%s\t%s\t%s\tcpu=%s\t%s\t%s\n' "$1" "$2" "$3" \
		"$(used_between /run/before /run/after "${threads[$3]}")" \
		"$(busy_between /run/before /run/after)" "$(tr -d '\n\t' </run/fio.json)"
}

# A look at where the whole machine spends its time; not part of the figures.
profile_all()
{
	local what name
	command -v perf >/dev/null || { skip profile 'perf is not in the machine'; return 0; }
	for what in $jobs; do
		for name in chiscsi "$peer"; do
			echo "== $what on $name: processor time by thread and function"
			profile_one "$what" "$name" || cat /run/perf.err
		done
	done
}

# profile_one JOB NAME: perf is told to follow fio from its start to its end.
profile_one()
{
	# perf itself needs seconds to start in an emulated machine.
	local seconds=$((seconds + 5))
	job "$1" "$2" --output=/run/fio.out &
	perf record -q -a -e cpu-clock -F 250 -o /run/perf.data -- \
		tail -f --pid=$! /dev/null >/run/perf.err 2>&1 || return 1
	perf report -f -i /run/perf.data --stdio --sort comm,sym --percent-limit 1 \
		>/run/perf.out 2>/run/perf.err || return 1
	grep -E '^ +[0-9.]+%' /run/perf.out | grep -vE ' (swapper|perf) ' | head -n 25 || :
}

# --- the whole --------------------------------------------------------------

memory_files
modprobe -a iscsi_tcp sd_mod sg
load_both >/run/load.out 2>&1 ||
	give_up 'both targets load' "$(cat /run/load.out; dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
open_session >/run/login.out 2>&1 || give_up 'login to chiscsi' "$(cat /run/login.out)"
IQN=$PEER_IQN PORTAL=$PEER_PORTAL open_session >/run/login.out 2>&1 ||
	give_up "login to $peer" "$(cat /run/login.out)"

printf 'bench-machine\tkernel=%s\tprocessors=%s\tprocessor=%s\n' "$(uname -r)" \
	"$(grep -c ^processor /proc/cpuinfo)" "$(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)"
find_and_tune chiscsi "$IQN" "$(lun 0)"
find_and_tune "$peer" "$PEER_IQN" "$(with_peer lun 0)"
verify chiscsi
verify "$peer"

for round in $(seq "$rounds"); do
	echo "round $round of $rounds"
	for what in $jobs; do
		for name in chiscsi "$peer"; do
			measure "$round" "$what" "$name"
		done
	done
done

[ "$profile" = no ] || profile_all
verify chiscsi
verify "$peer"
check "logout from $peer" logout "$PEER_IQN"
check "$peer unloads" with_peer target_unload
check 'logout' logout
[ "$disk_kind" = driver ] || check 'our target goes' iscsictl -s "target=$IQN"
down
[ "$failed" -eq 0 ]
