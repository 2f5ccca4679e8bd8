#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# load_unload.sh - the target comes and goes many times.
#
# Runs in the test machine.  Twenty loads and unloads, then rounds with a
# session each time; afterwards nothing may be left: no module, no listener, no
# kernel thread, nothing in the kernel log.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

many_loads()
{
	local round
	for round in $(seq 20); do
		load_target || { echo "load $round"; return 1; }
		wait_for_port || { echo "listen $round"; return 1; }
		unload_target || { echo "unload $round"; return 1; }
	done
}

many_sessions()
{
	local round
	for round in 1 2 3; do
		load_target && wait_for_port && discover && login || { echo "round $round"; return 1; }
		disk_of "$IQN" "$(lun 0)" || { echo "disk $round"; return 1; }
		logout && unload_target || { echo "end $round"; return 1; }
	done
}

# with_policy NUMBER: all workers have this scheduling policy, and a session is served.
with_policy()
{
	local task others
	load_target && wait_for_port || return 1
	others=$(for task in /proc/[0-9]*/stat; do
		sed -nE 's/^[0-9]+ \(chiscsi\/[0-9]+\) //p' "$task" 2>/dev/null
	done | awk '{ print $39 }' | sort | uniq -c | tr -s ' ')
	[ "$others" = " $(nproc) $1" ] || { echo "$others"; return 1; }
	discover && login && disk_of "$IQN" "$(lun 0)" && logout && unload_target
}

nobody_listens()
{
	! port_open 127.0.0.1 3260
}

threads_left()
{
	cat /proc/[0-9]*/comm 2>/dev/null | grep -E '^(chiscsi|iface)' || :
}

klog_mark load_unload
check 'twenty loads and unloads' many_loads
check 'nobody listens afterwards' nobody_listens
start_initiator
check 'three rounds with a session' many_sessions
check 'workers are threads like others' with_policy 0
export CHISCSI_ARGS=batch=1
check 'batch=1: they are batch threads' with_policy 3
export CHISCSI_ARGS=busy_poll=1000
check 'busy_poll=1000: three rounds with a session' many_sessions
stop_initiator
check 'nobody listens at the end' nobody_listens
check_equal 'no thread is left' "$(threads_left)" ''
check_equal 'no module is left' "$(lsmod | grep -E '^(chiscsi|ifacedriver)' || :)" ''
check_klog 'the kernel log is clean'
finish
