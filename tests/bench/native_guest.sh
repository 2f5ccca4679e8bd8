#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# native_guest.sh - the half of tests/bench/native inside the User-Mode Linux guest. Prints a line
# "native JOB TARGET ROUND JSON" for each run.

# shellcheck disable=SC2154 # Variables that native gives.

set -eu
for word in "$@"; do declare "$word"; done
export CHISCSI_ARGS=$engine
targets=${targets//,/ }

# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/side_by_side.sh
. "$GUEST_LIB/side_by_side.sh"

# generate TARGET OPTION...
generate()
{
	iscsi-load --portal "127.0.0.1:${ports[$1]}" --target "$(iqn_of "$1")" --timeout 60 "${@:2}" io
}

# run_job JOB TARGET: one run; its JSON.
run_job()
{
	local block kind depth sessions percent order=()
	IFS=- read -r block kind depth sessions <<<"$1"
	case $kind in read) percent=100 ;; write) percent=0 ;; mix) percent=70 ;; *) return 2 ;; esac
	case $block in *k) [ "${block%k}" -lt 64 ] || order=(--sequential) ;; *) order=(--sequential) ;; esac
	generate "$2" --block "$block" --read-percent "$percent" --depth "${depth#q}" \
		--sessions "${sessions:-1}" --seconds "$seconds" "${order[@]}"
}

for name in $targets; do
	load_one "$name" >/run/load.out 2>&1 || give_up "$name loads" "$(cat /run/load.out; dmesg | tail -n 20)"
	check "$name: its disk is written" generate "$name" --block 256k --read-percent 0 --sequential --depth 8 --seconds 2
done
for round in $(seq "$rounds"); do
	echo "round $round of $rounds"
	for job in ${jobs//,/ }; do
		for name in $targets; do
			if run_job "$job" "$name" >/run/job.out 2>/run/job.err; then
				printf 'native %s %s %s %s\n' "$job" "$name" "$round" "$(tr -d '\n' </run/job.out)"
			else
				not_ok "$job on $name" "$(cat /run/job.out /run/job.err)"
			fi
		done
	done
done
for name in $targets; do check "$name unloads" unload_one "$name"; done
finish
