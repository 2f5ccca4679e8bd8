#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# conformance_control.sh - the control plane while commands run.
#
# Runs in the test machine.  Target reconfigured, removed and added, classes taken
# away and registered again, sessions ended by the driver from inside each hook:
# all under load, none may break a rule, and the disk works afterwards.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/conformance.sh
. "$GUEST_LIB/conformance.sh"

# Until it is ended.
load_start()
{
	fio --name=load --filename="$disk" --direct=1 --ioengine=libaio --iodepth=8 --rw=randrw \
		--bssplit=4k/50:64k/50 --size=8m --time_based --runtime=1h --eta=never \
		--continue_on_error=all >/run/load.out 2>&1 &
	load=$!
	commands=$(conf_state commands)
	wait_for "$PATIENCE" load_runs
}

load_runs()
{
	[ "$(conf_state commands)" -gt $((commands + 20)) ]
}

load_goes_on()
{
	commands=$(conf_state commands)
	wait_for "$PATIENCE" load_runs
}

under_load()
{
	script 'buffer mixed' 'run softirq' 'delay 1' 'phase 16384' 'ahead 1'
	check 'a load runs' load_start
	check 'reconfigured' conf_do reconfigure DefaultTime2Wait=1
	check_fails 'reconfigured with a bad value' conf_do reconfigure DefaultTime2Wait=99999
	check 'every wrong call of the control plane' conf_do wrong_calls
	check 'removed' conf_do target_remove
	check 'added again' conf_do target_add
	check 'the load goes on' load_goes_on
	check 'all away and back' conf_do cycle
	script 'buffer mixed' 'run softirq' 'delay 1'
	check 'the load goes on' load_goes_on
	kill "$load"
	wait "$load" || :
}

# A session that the driver ends from inside a hook, in the middle of a load.
from_hooks()
{
	local hook
	for hook in cdb xfer cleanup added; do
		script 'buffer mixed' 'phase 8192' 'ahead 2' 'run thread' "session_abort $hook"
		[ "$hook" != added ] || conf_do session_abort
		conf_do clear
		dd if="$disk" of=/dev/null bs=256k count=16 iflag=direct >/dev/null 2>&1 || :
		check "a session ended in the hook: $hook" wait_for "$PATIENCE" hook_seen '^session_abort'
		check 'the session comes back' disk_works
	done
}

# What is wrong with a parameter is said at once, and nothing stays behind.
bad_parameters()
{
	need_chiscsi
	engine_load >/run/load.out 2>&1 || give_up 'chiscsi.ko loads' "$(cat /run/load.out)"
	check_fails 'a bad portal refuses the module' insmod /modules/chiscsi_conformance.ko portal=nowhere
	check_fails 'a bad size refuses the module' insmod /modules/chiscsi_conformance.ko portal=1@0.0.0.0 size_mb=0
	check_fails 'an address of somebody else refuses the module' \
		insmod /modules/chiscsi_conformance.ko portal=1@192.0.2.77:3260
}

bad_parameters
conf_up
conf_attach
under_load
from_hooks
kept control refuse-control class-busy hook-deregistered session-once session-commands \
	session-replace taken
conf_down
finish
