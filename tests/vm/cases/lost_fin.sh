#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lost_fin.sh - the end of a connection gets lost on its way.
#
# Runs in the test machine.  The target drops a client that does not log in, and the network
# drops everything at that moment.  TCP has to say it again: the kernel stops the timers of a
# socket that is given back, so the target must not give it back before the client has heard.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/raw_login.sh
. "$GUEST_LIB/raw_login.sh"

# ending: sockets of the target whose last word has not been acknowledged.
ending()
{
	ss -Htn state fin-wait-1 state last-ack state closing "( sport = :${PORTAL##*:} )"
}

is_ending()
{
	[ -n "$(ending)" ]
}

none_ends()
{
	[ -z "$(ending)" ]
}

cut_off()
{
	tc qdisc add dev lo root netem loss 100%
}

need_chiscsi
command -v tc >/dev/null || skip_case 'there is no tc'
modprobe sch_netem 2>/dev/null || :
cut_off 2>/dev/null || skip_case 'the kernel has no netem'
tc qdisc del dev lo root
klog_mark lost_fin
CHISCSI_ARGS='login_timeout=5' load_target lun_sizes_mb=16 >/run/load.out 2>&1 ||
	give_up 'the target loads' "$(cat /run/load.out; dmesg | tail -n 20)"
wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"

raw_open 7
check 'the network fails' cut_off
check 'the target drops the client' wait_for "$PATIENCE" is_ending
check 'the network is back' tc qdisc del dev lo root
check 'the client hears of it' raw_eof 7
check 'and the socket ends' wait_for "$PATIENCE" none_ends
raw_close 7
check 'the target unloads' unload_target
check_klog 'the kernel log is clean'
finish
