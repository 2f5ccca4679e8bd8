# SPDX-License-Identifier: GPL-2.0-only
#
# measure.sh - runs fio's jobs and reads what they cost.
#
# Sourced by tests/bench/guest.sh in the test machine, which has opened the sessions.
# Three parts: data that is verified; rounds in which only /proc is read before and
# after each run (what every thread has used, ns); and one round before these in which
# kprobes count the socket calls of each thread, which is too slow for the figures.

# shellcheck disable=SC2154 # Variables of guest.sh.

# What the targets' threads are called; the rest of LIO's work is done in
# kworkers, which nobody can tell apart, and is shown as such.
declare -A threads=([chiscsi]='^(chiscsi|iface-lun)' [lio]='^iscsi_(np|trx|ttx)' [tgt]='^tgtd')
# By target and interface.
declare -A disks

# --- data -------------------------------------------------------------------

# checked DISK MB FIO-OPTION...: writes and reads back against the checksums.
checked()
{
	fio --name=verify --filename="$1" --direct=1 --ioengine=libaio --verify=crc32c \
		--verify_fatal=1 --verify_dump=0 --randrepeat=0 --size="${2}m" \
		--output-format=terse --eta=never "${@:3}" >/run/verify.out 2>&1
}

# verify_all MB: so much of each disk in large blocks, then a part of it in small ones.
verify_all()
{
	local name
	[ "$lun_kind" != null ] || return 0
	for name in "${!disks[@]}"; do
		if ! checked "${disks[$name]}" "$1" --rw=write --bs=256k --iodepth=8 ||
			! checked "${disks[$name]}" "$1" --rw=randwrite --bs=4k --iodepth=16 --io_size=1m; then
			give_up "the data of $name is right" "$(cat /run/verify.out)"
		fi
	done
}

# fill_all: memory is taken by the first write, and what was never written is cheap to read.
fill_all()
{
	local name
	dd if=/dev/urandom of=/run/pattern bs=1M count="$SIZE_MB" status=none
	for name in $names; do
		dd if=/run/pattern of="${disks[$name-$(iface_of "${jobs%% *}")]}" bs=1M oflag=direct status=none ||
			give_up "the disk of $name is written" "$(dmesg | tail -n 20)"
	done
	rm -f /run/pattern
}

# --- jobs -------------------------------------------------------------------

# job_options SIZE-KIND-qDEPTH[+digests]
job_options()
{
	local size kind depth
	IFS=- read -r size kind depth <<<"${1%+digests}"
	[ "$kind" != mix ] || kind='randrw --rwmixread=70'
	echo "--rw=$kind --bs=$size --iodepth=${depth#q}"
}

# job JOB NAME [fio option...]; below the command `runner`, if there is one.
runner=()
job()
{
	local options
	options=$(job_options "$1")
	# shellcheck disable=SC2086 # Several words are meant.
	"${runner[@]}" fio --name="$1" --filename="${disks[$2-$(iface_of "$1")]}" --direct=1 --ioengine=libaio --norandommap \
		--randrepeat=0 --time_based --runtime="$seconds" --size="${SIZE_MB}m" --unified_rw_reporting=mixed \
		--percentile_list=50:90:99:99.9 --eta=never $options "${@:3}"
}

# run_job JOB NAME: leaves fio's JSON in /run/fio.json, and the state of all threads before and after.
run_job()
{
	local status=0
	snapshot /run/before
	job "$1" "$2" --output-format=json --output=/run/fio.json >/run/fio.out 2>&1 || status=$?
	snapshot /run/after
	if [ "$status" -ne 0 ] || [ ! -s /run/fio.json ]; then
		give_up "fio $1 on $2 (status $status)" "$(cat /run/fio.out /run/fio.json; dmesg | tail -n 20)"
	fi
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

# --- figures ----------------------------------------------------------------

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

measure_all()
{
	local round what name
	for round in $(seq "$rounds"); do
		echo "round $round of $rounds"
		for what in $jobs; do
			for name in $names; do
				run_job "$what" "$name"
				printf 'bench-run\t%s\t%s\tcpu=%s\t%s\t%s\n' "$what" "$name" \
					"$(used_between /run/before /run/after "${threads[$name]}")" \
					"$(busy_between /run/before /run/after)" "$(tr -d '\n\t' </run/fio.json)"
			done
		done
	done
}

# --- socket calls -----------------------------------------------------------

TRACING=/sys/kernel/tracing
# The initiator's receive passes run in interrupts, on top of whichever thread is there, so
# passes are told apart by the function that takes the data.
# shellcheck disable=SC2016 # The kernel's own argument.
declare -A probes=([send]=tcp_sendmsg_locked [page]=tcp_sendpage [receive]=tcp_recvmsg
	[pass]='tcp_read_sock taker=$arg3')

# probe_all: counts by thread, in the kernel; what this kernel does not have is left out.
probe_all()
{
	local name place
	for name in "${!probes[@]}"; do
		place=${probes[$name]}
		grep -q " T ${place%% *}\$" /proc/kallsyms || continue
		echo "p:bench/$name $place" >>"$TRACING/kprobe_events" || return 1
		histogram "$name" >"$TRACING/events/bench/$name/trigger" || return 1
	done
}

histogram()
{
	if [ "$1" = pass ]; then echo 'hist:keys=common_pid,taker.sym'; else echo 'hist:keys=common_pid'; fi
}

unprobe_all()
{
	local name
	for name in "${!probes[@]}"; do
		[ ! -d "$TRACING/events/bench/$name" ] || echo "!$(histogram "$name")" >"$TRACING/events/bench/$name/trigger"
	done
	echo >"$TRACING/kprobe_events"
}

# calls_of PATTERN PROBE...: how often threads of these names came by there.
calls_of()
{
	local pattern=$1 name
	shift
	for name in "$@"; do
		cat "$TRACING/events/bench/$name/hist" 2>/dev/null || :
	done | awk -F'\t' -v pattern="$pattern" '
		NR == FNR { if ($4 ~ pattern) own[$1] = 1; next }
		/hitcount:/ && !/iscsi_sw_tcp/ {
			match($0, /common_pid: *[0-9]+/)
			thread = substr($0, RSTART, RLENGTH); sub(/.* /, "", thread)
			hits = $0; sub(/.*hitcount: */, "", hits)
			if (thread in own) sum += hits
		}
		END { printf "%d", sum }' /run/after -
}

# count_calls: a round of its own, which warms everything up as well.
count_calls()
{
	local what name
	echo 'counting calls'
	for what in $jobs; do
		for name in $names; do
			probe_all 2>/run/probe.err || { skip 'socket calls are counted' "$(cat /run/probe.err)"; unprobe_all; return 0; }
			run_job "$what" "$name"
			printf 'bench-calls\t%s\t%s\tsends=%s\treceives=%s\t%s\n' "$what" "$name" \
				"$(calls_of "${threads[$name]}" send page)" "$(calls_of "${threads[$name]}" receive pass)" \
				"$(tr -d '\n\t' </run/fio.json)"
			unprobe_all
		done
	done
}

# --- where the time goes ----------------------------------------------------

# A look at where the whole machine spends its time; not part of the figures.
profile_all()
{
	local what name
	command -v perf >/dev/null || { skip profile 'perf is not in the machine'; return 0; }
	for what in $jobs; do
		for name in $names; do
			echo "== $what on $name: processor time by thread and function"
			profile_one "$what" "$name" || cat /run/perf.err
		done
	done
}

# profile_one JOB NAME: perf, once it is ready, starts fio, and looks at all threads until its end.
profile_one()
{
	local runner=(perf record -q -a -e cpu-clock -F 1000 -o /run/perf.data --)
	job "$1" "$2" --output=/run/fio.out >/run/perf.err 2>&1 || return 1
	perf report -f -i /run/perf.data --stdio --sort comm,sym --percent-limit 0.5 \
		>/run/perf.out 2>/run/perf.err || return 1
	grep -E '^ +[0-9.]+%' /run/perf.out | grep -vE ' (swapper|perf) ' | head -n 40 || :
}
