#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# native_guest.sh - the half of tests/bench/native inside the User-Mode Linux guest. Prints a line
# "native JOB TARGET ROUND SHARE JSON" for each run; SHARE is the part of the processor's time that
# the target's own threads had.

# shellcheck disable=SC2154 # Variables that native gives.

set -eu
for word in "$@"; do declare "$word"; done
export CHISCSI_ARGS=$engine
targets=${targets//,/ }

# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/side_by_side.sh
. "$GUEST_LIB/side_by_side.sh"

# What the targets' threads are called.
declare -A threads=([chiscsi]='^chiscsi' [lio]='^iscsi_(np|trx|ttx)' [tgt]='^tgtd')

# generate TARGET OPTION...
generate()
{
	iscsi-load --portal "127.0.0.1:${ports[$1]}" --target "$(iqn_of "$1")" --timeout 60 "${@:2}" io
}

# run_job JOB TARGET: its JSON.
run_job()
{
	local block kind depth sessions percent order=()
	IFS=- read -r block kind depth sessions <<<"$1"
	case $kind in read) percent=100 ;; write) percent=0 ;; mix) percent=70 ;; *) return 2 ;; esac
	case $block in *k) [ "${block%k}" -lt 64 ] || order=(--sequential) ;; *) order=(--sequential) ;; esac
	generate "$2" --block "$block" --read-percent "$percent" --depth "${depth#q}" \
		--sessions "${sessions:-1}" --seconds "$seconds" "${order[@]}"
}

# used_by TARGET: leaves hundredths of a second of its threads in `used`, and the time in `now`.
# Without a process of its own, which would take the only processor from what is measured.
used_by()
{
	local dir name line fields
	used=0
	for dir in /proc/[0-9]*; do
		{ read -r name <"$dir/comm" && read -r line <"$dir/stat"; } 2>/dev/null || continue
		[[ $name =~ ${threads[$1]} ]] || continue
		# Behind the name, which may hold blanks: user and system time.
		read -ra fields <<<"${line##*) }"
		used=$((used + fields[11] + fields[12]))
	done
	read -r now _ </proc/uptime
	now=$((10#${now/./}))
}

# share_of TARGET: of the time from a quarter of a run to three quarters of it, since threads may come
# and go with their sessions.
share_of()
{
	local first begin
	sleep "$(awk -v s="$seconds" 'BEGIN { print s / 4 }')"
	used_by "$1"
	first=$used begin=$now
	sleep "$(awk -v s="$seconds" 'BEGIN { print s / 2 }')"
	used_by "$1"
	awk -v used=$((used - first)) -v time=$((now - begin)) 'BEGIN { printf "%.4f\n", used / time }'
}

# measure JOB TARGET: one run; its JSON in /run/job.out, its share in /run/job.share.
measure()
{
	local job status=0
	run_job "$1" "$2" >/run/job.out 2>/run/job.err &
	job=$!
	share_of "$2" >/run/job.share || status=$?
	wait "$job" || status=$?
	return "$status"
}

for name in $targets; do
	load_one "$name" >/run/load.out 2>&1 || give_up "$name loads" "$(cat /run/load.out; dmesg | tail -n 20)"
	check "$name: its disk is written" generate "$name" --block 256k --read-percent 0 --sequential --depth 8 --seconds 2
done
for round in $(seq "$rounds"); do
	echo "round $round of $rounds"
	for job in ${jobs//,/ }; do
		for name in $targets; do
			if measure "$job" "$name"; then
				printf 'native %s %s %s %s %s\n' "$job" "$name" "$round" "$(cat /run/job.share)" \
					"$(tr -d '\n' </run/job.out)"
			else
				not_ok "$job on $name" "$(cat /run/job.out /run/job.err)"
			fi
		done
	done
done
for name in $targets; do check "$name unloads" unload_one "$name"; done
finish
