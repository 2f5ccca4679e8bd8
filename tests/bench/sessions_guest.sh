#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# sessions_guest.sh - the half of tests/bench/sessions inside the test machine.
#
# Loads the targets that are its arguments, each on a port of its own, and then does what the third
# serial port says, line by line: "NUMBER WORD [ARGUMENT...]". It prints "answer NUMBER TEXT" for each
# result and "done NUMBER STATUS"; whatever else it prints is for people.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/side_by_side.sh
. "$GUEST_LIB/side_by_side.sh"

CONTROL=/dev/ttyS2
SETTLE_S=60
# Two readings of the free memory that differ by less are the same.
STEADY_KB=512
# What the targets' threads are called. LIO's end with their connection, and their time with them.
declare -A threads=([chiscsi]='^chiscsi' [tgt]='^tgtd')
targets=("$@")

meminfo()
{
	awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo
}

# settle: what RCU and the socket layer free later is given time, until nothing changes.
settle()
{
	local before=0 now end
	end=$(($(uptime_s) + SETTLE_S))
	while [ "$(uptime_s)" -lt "$end" ]; do
		echo 3 >/proc/sys/vm/drop_caches
		# Free pages on the processors' own lists do not count as free; this empties them.
		echo 1 >/proc/sys/vm/compact_memory
		cat /proc/sys/vm/stat_refresh >/dev/null
		now=$(meminfo MemAvailable)
		if [ $((now - before)) -lt "$STEADY_KB" ] && [ $((before - now)) -lt "$STEADY_KB" ]; then return 0; fi
		before=$now
		sleep 0.5
	done
	echo 'the memory does not settle'
}

# count_threads: of the kernel; each is a child of kthreadd. Those that serve any device alike,
# which come and go by themselves, are not counted.
count_threads()
{
	cat /proc/[0-9]*/stat 2>/dev/null |
		awk '{ name = $0; sub(/^[^(]*\(/, "", name); sub(/\) [A-Z] .*/, "", name); rest = $0
			sub(/^.*\) [A-Z] /, "", rest); split(rest, field, " ")
			if (field[1] == 2 && name !~ /^kworker/) count++ } END { print count + 0 }'
}

# connections TARGET: TCP connections that a target has; those that are ending count, too.
connections()
{
	ss -Htan state connected "( sport = :${ports[$1]} )" | grep -vc TIME-WAIT || :
}

target_rss()
{
	local pid
	pid=$(pidof tgtd | cut -d' ' -f1)
	[ -n "$pid" ] || { echo 0; return; }
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status"
}

# --- what the host may ask for ----------------------------------------------

do_memory()
{
	settle
	answer "available_kb=$(meminfo MemAvailable) slab_kb=$(meminfo Slab)" \
		"unreclaimable_kb=$(meminfo SUnreclaim) stacks_kb=$(meminfo KernelStack)" \
		"kthreads=$(count_threads) tgtd_kb=$(target_rss)"
}

none_left()
{
	[ "$(connections "$1")" -eq 0 ]
}

# do_slabs: the caches of the kernel's allocator that hold most, in KiB.
do_slabs()
{
	answer "$(awk '$1 !~ /^#|slabinfo/ { kb = $15 * $6 * 4; if (kb >= 64) printf "%s=%d ", $1, kb }' /proc/slabinfo)"
}

# do_gone TARGET: waits until no connection is left.
do_gone()
{
	wait_for "$PATIENCE" none_left "$1" ||
		ss -Htano state connected "( sport = :${ports[$1]} )" | grep -v TIME-WAIT | head -n 5
	answer "connections=$(connections "$1") sessions=$(sessions_of "$1")"
}

sessions_of()
{
	case $1 in
	chiscsi) grep -c '^initiator=' /sys/kernel/debug/chiscsi/sessions || : ;;
	*) connections "$1" ;;
	esac
}

do_count()
{
	answer "connections=$(connections "$1") sessions=$(sessions_of "$1")"
}

do_machine()
{
	answer "kernel=$(uname -r) processors=$(grep -c ^processor /proc/cpuinfo) memory_kb=$(meminfo MemTotal)"
}

# do_network: TCP segments that the machine has sent again.
do_network()
{
	answer "retransmitted=$(awk '$1 == "Tcp:" && $13 ~ /^[0-9]+$/ { print $13 }' /proc/net/snmp)"
}

# do_cost TARGET: what the machine has done so far: time and idle time in 10 ms, threads' time in
# ns, packets and interrupts of the network card to the generator; and the time when that is known.
do_cost()
{
	local text
	text="$(times up idle) $(threads_cost "${threads[$1]-^$}") $(link_counts)"
	answer "$text $(times end_up end_idle)"
}

# times NAME NAME
times()
{
	local up idle
	read -r up idle </proc/uptime
	printf '%s=%d %s=%d' "$1" $((10#${up/./})) "$2" $((10#${idle/./}))
}

# threads_cost PATTERN: of a target's own threads, and of those that serve all.
threads_cost()
{
	local dir name used times
	for dir in /proc/[0-9]*/task/[0-9]*; do
		{ read -r name <"$dir/comm" && read -r used _ times <"$dir/schedstat"; } 2>/dev/null || continue
		printf '%s\t%s\t%s\n' "$used" "$times" "$name"
	done | awk -F'\t' -v pattern="$1" '
		$3 ~ pattern { own += $1; runs += $2 }
		$3 ~ /^ksoftirqd/ { soft += $1 }
		$3 ~ /^kworker/ { work += $1 }
		END { printf "own=%.0f runs=%.0f ksoftirqd=%.0f kworker=%.0f", own, runs, soft, work }'
}

link_name()
{
	ip -o -4 addr show | awk '$4 ~ /^192\.0\.2\./ { print $2; exit }'
}

# do_patient: nothing is sent again because of a generator that has to wait for its processor.
do_patient()
{
	local link
	link=$(link_name)
	ip route change 192.0.2.0/24 dev "$link" \
		src "$(ip -o -4 addr show dev "$link" | awk '{ sub("/.*", "", $4); print $4 }')" rto_min 100s
	answer patient
}

link_counts()
{
	local link
	link=$(link_name)
	awk -v name="$link:" '$1 == name { printf "received=%d sent=%d ", $3, $11 }' /proc/net/dev
	awk '/virtio[0-9]+-(input|output)/ { sum += $2 } END { printf "interrupts=%d", sum }' /proc/interrupts
}

# do_profile: where the machine spends its time in the next seconds of its own.
do_profile()
{
	perf record -q -a -g -e cpu-clock -F 1000 -o /run/perf.data -- sleep 4 >/run/perf.err 2>&1 ||
		{ cat /run/perf.err; return 1; }
	perf report -f -i /run/perf.data --no-children -g none --stdio --sort comm,sym --percent-limit 0.4 2>/run/perf.err |
		grep -E '^ +[0-9.]+%' | grep -vE ' perf ' | head -n 70
	echo '== with what it calls'
	perf report -f -i /run/perf.data --children -g none --stdio --sort sym --percent-limit 1.5 2>/run/perf.err |
		grep -E '^ +[0-9.]+%' | head -n 120
}

do_unload()
{
	unload_one "$1"
}

answer()
{
	printf 'answer %s %s\n' "$number" "$*"
}

# A line for each session would cost more than the session: the emulator takes the console byte by
# byte. What klog.sh looks for is more than a notice.
echo 5 >/proc/sys/kernel/printk
ulimit -n 65536
mount -t tmpfs tmpfs /tmp
for name in "${targets[@]}"; do
	load_one "$name" >/run/load.out 2>&1 || { cat /run/load.out; dmesg | tail -n 20; exit 1; }
done
stty -F "$CONTROL" raw -echo
exec 4<"$CONTROL"
number=0
answer ready
echo 'done 0 0'
while read -r number word rest <&4; do
	[ "$word" != end ] || break
	status=0
	# shellcheck disable=SC2086 # The arguments are words.
	"do_$word" $rest || status=$?
	printf 'done %s %s\n' "$number" "$status"
done
echo "done $number 0"
