#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# offload_faults.sh [CHIP...] - everything that a software adapter can be asked to do wrong.
#
# Runs in the test machine.  Each fault is switched on while verified writes are under way: it has
# to happen, the writes have to end well and be read back, and when the session is over nothing
# may be left of it in the adapter.  Some faults end the connection; then the initiator comes
# back.  Those of servers are met by a second target, which is then reached by the host's sockets.

set -eu
export VM_TARGET=offload
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/offload.sh
. "$GUEST_LIB/offload.sh"

# The fault arp_failure may take page pods away, and not the R2T behind them.
export OFFLOAD_EXCUSED=pods_before_r2t

begin_session()
{
	login || return 1
	disk=$(disk_of "$IQN" "$(lun 0)")
}

cut_connection()
{
	ss -K state established 'dport = :3260'
}

# under_fault COUNTER NAME COUNT [COMMAND...]: with I/O in flight; COUNTER is one of the transport
# that has to grow, or "-".
under_fault()
{
	local counter=$1 name=$2 count=$3 before=0 was
	shift 3
	check "$name: login" begin_session
	[ "$counter" = - ] || before=$(offload_count "$counter")
	was=$(sed -n "s/^$name=//p" "$OFFLOAD_FOLDER/fault")
	check "$name: writes are under way" load_begin 4m
	check "$name: it is switched on" fault "$name" "$count"
	[ $# -eq 0 ] || check "$name: $*" "$@"
	check "$name: it has happened" wait_for "$PATIENCE" fault_has_happened "$name" $((was + count))
	check "$name: all was written and read back" load_ends
	[ "$counter" = - ] || check "$name: $counter says so" test "$(offload_count "$counter")" -gt "$before"
	check "$name: logout" logout
	check "$name: nothing is left" wait_for "$OFFLOAD_PATIENCE" offload_is_idle stids clip
	printf '# %s: at %s s; in use: %s\n' "$name" "$(uptime_s)" "$(offload_in_use | tr '\n' ' ')"
}

# An abort that is not answered: until the adapter goes it may write, so the connection stays, and
# with it the initiator's session; the next login has to wait.
silent_abort()
{
	check 'abort_silent: login' begin_session
	check 'abort_silent: writes are under way' load_begin 4m
	check 'abort_silent: it is switched on' fault abort_silent
	check 'abort_silent: and something to abort for' fault header_crc
	check 'abort_silent: it has happened' wait_for "$PATIENCE" fault_has_happened abort_silent 1
	check 'abort_silent: the writes wait' load_runs
	# The adapter calls it alive to the end, and complains that it is let go of.
	printf 'detach\n' >"$OFFLOAD_FOLDER/state"
	check_equal 'abort_silent: the adapter goes, and nothing is left' "$(offload_in_use)" ''
	check 'abort_silent: its module goes' rmmod chiscsi_cxgb4_sim
	check 'abort_silent: another one comes' offload_attach
	check 'abort_silent: all was written and read back' load_ends
	check 'abort_silent: logout' logout
	printf '# abort_silent: at %s s\n' "$(uptime_s)"
}

# server_fault NAME WHEN: WHEN is start or end, of a second target with a portal of its own.
server_fault()
{
	[ "$2" = end ] || check "$1: it is switched on" fault "$1"
	check "$1: a target starts" insmod /modules/minimal_driver.ko portal=1@127.0.0.1:3270
	check "$1: it is reached" wait_for_port 127.0.0.1 3270
	[ "$2" = start ] || check "$1: it is switched on" fault "$1"
	check "$1: the target ends" timeout "$PATIENCE" rmmod minimal_driver
	check "$1: it has happened" fault_has_happened "$1" 1
	printf '# %s: at %s s; in use: %s\n' "$1" "$(uptime_s)" "$(offload_in_use | tr '\n' ' ')"
}

# Indices of servers about which the adapter is silent are lost, and nothing else.
silent_servers()
{
	: >"$OFFLOAD_LEFT"
	up
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	check 'servers: login' begin_session
	check 'servers: writes are under way' load_begin 16m
	server_fault open_status start
	server_fault open_silent start
	server_fault close_listener_silent end
	check 'servers: all was written and read back' load_ends
	check 'servers: logout' logout
	check 'servers: the target ends' rmmod ifacedriver
	check_equal 'servers: two indices are lost' \
		"$(wait_for "$OFFLOAD_PATIENCE" offload_is_idle stids; offload_in_use | tr '\n' ' ')" 'stids=2 '
	printf 'detach\n' >"$OFFLOAD_FOLDER/state"
	check_equal 'servers: and nothing else' "$(offload_in_use | tr '\n' ' ')" 'stids=2 '
	rmmod chiscsi_cxgb4_sim
	down
}

on_chip()
{
	export OFFLOAD_SIM="chip=$1"
	printf '# chip %s\n' "$1"
	: >"$OFFLOAD_LEFT"
	up
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	node_set node.session.iscsi.InitialR2T Yes
	node_set node.session.iscsi.ImmediateData No
	set_digests CRC32C

	under_fault - allocation 6
	under_fault no_place_pods no_pods 10
	under_fault no_place_memory no_map 5
	under_fault not_placed_pdus colour 5
	under_fault header_digest_errors header_crc 1
	under_fault data_digest_errors data_crc 1
	under_fault pad_errors pad 1
	under_fault - negative_advice 3
	under_fault - peer_reset 1
	under_fault - lost_ack 1
	if [ "$cuts" = yes ]; then
		under_fault - resolving 1 cut_connection
		under_fault - arp_failure 1 cut_connection
		under_fault - tcb_silent 1 cut_connection
	else
		skip 'resolving, arp_failure, tcb_silent' 'this kernel cannot cut a connection'
	fi
	silent_abort
	down
	check 'nothing is left' nothing_left
	silent_servers
}

[ -f /modules/chiscsi_cxgb4_sim.ko ] || skip_case 'there is no chiscsi_cxgb4_sim.ko (make test-modules)'
# With tcp_diag, ss can end a connection from outside.
cuts=yes
modprobe -a inet_diag tcp_diag 2>/dev/null || cuts=no
[ $# -gt 0 ] || ! is_uml || skip_case 'User-Mode Linux: with one processor some faults are not met in time; QEMU has them'
[ $# -gt 0 ] || set -- 6
for chip in "$@"; do on_chip "$chip"; done
finish
