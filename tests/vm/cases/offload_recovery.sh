#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# offload_recovery.sh [CHIP...] - targets and adapters come and go under load.
#
# Runs in the test machine.  Verified writes go to a file over a software adapter, and that does
# not lose what was written, while the target is stopped and started, while the adapter resets
# itself, fails, is taken away and comes back.  Each time the sessions die, the initiator comes
# back by itself, nothing that was acknowledged is missing, and of what was before nothing is left.

set -eu
export VM_TARGET=offload
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/offload.sh
. "$GUEST_LIB/offload.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

file=/run/recovery.img

target_starts() { storage_devices "$file,FILE"; }
target_stops() { iscsictl -s "target=$IQN"; }

# It starts again whatever was wrong: what comes after this needs it.
stop_and_start()
{
	local status=0
	{ target_stops && wait_for "$OFFLOAD_PATIENCE" offload_is_idle && load_runs; } ||
		{ status=1; offload_in_use; }
	target_starts && return $status
}

# goes STATE: and comes back at once.
goes()
{
	local status=0
	{ printf '%s\n' "$1" >"$OFFLOAD_FOLDER/state" && load_runs; } || status=1
	printf 'up\n' >"$OFFLOAD_FOLDER/state" && return $status
}

# Its module and all go; then another one is there.
is_exchanged()
{
	local status=0
	{ offload_detach && load_runs && [ "$(offload_count adapters)" = 0 ]; } || status=1
	# Whatever was left of the first: the initiator has data to write.
	offload_attach && return $status
}

offloaded_more_than()
{
	[ "$(offload_count conns_offloaded)" -gt "$1" ]
}

# through NAME COMMAND...: I/O in flight when it happens; afterwards all is as before.
through()
{
	local name=$1 before
	shift
	before=$(offload_count conns_offloaded)
	check "$name: writes are under way" load_begin 16m
	check "$name: happens" "$@"
	check "$name: all was written and read back" load_ends
	check "$name: by another connection of an adapter" \
		wait_for "$PATIENCE" offloaded_more_than "$before"
	check "$name: no rule of the adapter is broken" offload_verdict
	printf '# %s: at %s s\n' "$name" "$(uptime_s)"
}

on_chip()
{
	export OFFLOAD_SIM="chip=$1"
	printf '# chip %s\n' "$1"
	: >"$OFFLOAD_LEFT"
	rm -f $file
	truncate -s 64M $file
	offload_load
	check 'the target starts' target_starts
	wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"
	start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
	attach
	through 'the target is stopped and started' stop_and_start
	for state in recovery down fatal; do
		through "the adapter goes $state and up" goes "$state"
	done
	through 'the adapter is taken away and another comes' is_exchanged
	detach
	check 'the target goes' target_stops
	down
	check 'nothing is left' nothing_left
	rm -f $file
}

[ -f /modules/chiscsi_cxgb4_sim.ko ] || skip_case 'there is no chiscsi_cxgb4_sim.ko (make test-modules)'
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark offload_recovery
# Of each generation one of the long cases is part of each check: offload_faults has the other.
[ $# -gt 0 ] || set -- 5
for chip in "$@"; do on_chip "$chip"; done
check_klog 'the kernel log is clean'
finish
