#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# many_sessions.sh - 64 sessions at one time.
#
# Runs in the test machine, with the load generator of tests/bench/load. Sessions log in while two
# clients connect and say nothing, are idle and answer, and read and write all at once; each gets
# its share of the target, and when they are gone nothing is left of them. It counts and measures no time.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

SESSIONS=64

# generate OPTION... MODE: its figures go to /run/load.json.
generate()
{
	iscsi-load --portal "$PORTAL" --target "$IQN" --lun "$(lun 0)" --sessions "$SESSIONS" \
		--timeout 300 --login-timeout 60 "$@" >/run/load.json || { cat /run/load.json; return 1; }
}

# figure GROUP NAME: of the last run.
figure()
{
	sed -n "s/.*\"$1\": {[^{}]*\"$2\": \([0-9.]*\).*/\1/p" /run/load.json
}

sessions_listed()
{
	grep -c '^initiator=' /sys/kernel/debug/chiscsi/sessions || :
}

connections()
{
	ss -Htn state established "( sport = :${PORTAL##*:} )" | wc -l
}

none_left()
{
	[ "$(sessions_listed)" -eq 0 ] && [ "$(connections)" -eq 0 ]
}

# in_io READ_PERCENT: a hundred I/Os for each session, four of them at a time.
in_io()
{
	generate --depth $((4 * SESSIONS)) --ios $((100 * SESSIONS)) --seconds 200 --ramp-ms 0 \
		--read-percent "$1" io
}

# is_fair: no session had less than half of what it should have.
is_fair()
{
	awk -v share="$(figure per_session lowest_to_mean)" 'BEGIN { exit !(share >= 0.5) }'
}

# log_stays_short: so many sessions come and go that not each of them gets its lines.
log_stays_short()
{
	local start=$SECONDS lines
	klog_mark flood
	generate --sessions 512 login || return 1
	lines=$(klog_since | grep -c ': session [0-9]* of ' || :)
	echo "lines: $lines"
	[ "$lines" -gt 0 ] && [ "$lines" -le $((100 * (2 + (SECONDS - start) / 5))) ]
}

hold_and_count()
{
	local pid listed
	rm -f /run/load.ready
	generate --ready-file /run/load.ready --seconds 300 hold &
	pid=$!
	wait_for "$PATIENCE" test -e /run/load.ready
	listed=$(sessions_listed)
	echo "listed: $listed"
	# The generator and not the shell around it.
	kill "$(pidof iscsi-load)"
	wait "$pid" && [ "$listed" -eq "$SESSIONS" ]
}

need_chiscsi
command -v iscsi-load >/dev/null || skip_case 'there is no iscsi-load (make test-modules)'
klog_mark many_sessions
load_target lun_sizes_mb=16 >/run/load.out 2>&1 ||
	give_up 'the target loads' "$(cat /run/load.out; dmesg | tail -n 20)"
wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"

check 'all log in beside silent clients' generate --silent 2 login
check_equal 'whom the target leaves alone' "$(figure silent closed_by_target)" 0
check 'idle sessions are listed and live' hold_and_count
check_equal 'all of them answer' "$(figure hold alive)" "$SESSIONS"
check 'all read' in_io 100
check 'each its share' is_fair
check 'all write and read' in_io 30
check 'each its share of that' is_fair
check_klog 'the kernel log is clean so far'
check 'a flood of logins does not flood the log' log_stays_short
check 'nothing is left' wait_for "$PATIENCE" none_left
check 'the target unloads' unload_target
check_klog 'the kernel log is clean'
finish
