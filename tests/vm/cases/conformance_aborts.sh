#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# conformance_aborts.sh - sessions that end under commands of the driver.
#
# Runs in the test machine.  Each abort is answered at once, late, twice, by the
# other call, by an error or never, for a command that is held and for one whose
# lists are with the target; then the session comes back and the disk works.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/conformance.sh
. "$GUEST_LIB/conformance.sh"

# abort_with LINE...: a held read whose session ends.
abort_with()
{
	conf_do clear
	script 'run never' 'count 1' "$@" || return 1
	held_read || return 1
	conf_do session_abort || return 1
	wait_for "$PATIENCE" hook_seen '^abort itt' || return 1
	wait_for "$PATIENCE" hook_seen '^session_removed' || return 1
	conf_do release
	wait_for "$PATIENCE" conf_state_is held 0 || return 1
	wait "$reader" || :
}

aborts()
{
	local how
	for how in inline late other twice refuse never; do
		check "a session ends, its abort is answered: $how" abort_with "abort $how" 'delay 300'
		check 'the session comes back' disk_works
	done
	check 'the driver ends the session once more in the abort' abort_with 'session_abort abort'
	check 'the session comes back' disk_works
	script 'session_abort tmf'
	timeout 60 sg_reset --device --no-escalate "$sg" >/dev/null 2>&1 || :
	check 'the driver ends the session in a function' wait_for "$PATIENCE" hook_seen '^session_abort'
	check 'the session comes back' disk_works
	kept abort-reason abort-once abort-answer session-once session-commands session-replace \
		refuse-double
}

# Lists are with the target when the session ends: at the first one that came back. There are four
# times as many as are lent at once, so the command cannot be over before the session is.
lent_lists()
{
	local run
	for run in inline softirq; do
		script 'phase 4096' 'ahead 63' 'session_abort xfer' 'abort late' 'delay 20' "run $run" 'count 1'
		sg_write 2048 /dev/zero >/dev/null 2>&1 || :
		check "a session ends with lists lent ($run)" wait_for "$PATIENCE" conf_state_is held 0
		check 'the session comes back' disk_works
	done
	conf_do judge
	kept after-abort
}

CHISCSI_ARGS='abort_timeout=3'
conf_up
conf_attach
aborts
lent_lists
conf_down
finish
