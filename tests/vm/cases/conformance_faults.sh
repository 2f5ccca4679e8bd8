#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# conformance_faults.sh - a storage driver that fails, stalls and answers wrongly.
#
# Runs in the test machine.  Errors, refusals, the driver's own aborts, and task
# management that is answered in every way; chiscsi.ko waits for the driver for a
# short time only.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/conformance.sh
. "$GUEST_LIB/conformance.sh"

errors()
{
	script 'sense 0x031100'
	check_says 'a medium error of a read' 'Unrecovered read error' sg_read 8 /run/in.data
	check_says 'a medium error of a write' 'Unrecovered read error' sg_write 8 /dev/zero
	script 'refuse 16'
	check_says 'a command refused with EBUSY' 'Busy' sg_read 8 /run/in.data
	script 'refuse 22' 'count 1'
	check_says 'a command refused with EINVAL' 'Aborted Command' sg_read 8 /run/in.data
	check 'the next one works' sg_read 8 /run/in.data
	script 'own_abort 1'
	check_says 'the driver aborts a read' 'Aborted Command' sg_read 256 /run/in.data
	check_says 'the driver aborts a write' 'Aborted Command' sg_write 256 /dev/zero
	script 'own_abort 1' 'phase 4096' 'ahead 4'
	check_says 'the driver aborts between phases' 'Aborted Command' sg_read 256 /run/in.data
	kept abort-status
}

# reset_with LINE...: a held read, and a LUN reset that the driver answers so.
reset_with()
{
	script 'run never' 'count 1' "$@" || return 1
	held_read || return 1
	# The settings of the command are used up; those of the function remain to be set.
	script "$@" || return 1
	timeout 100 sg_reset --device --no-escalate "$sg" || :
	conf_do release
	wait "$reader" || :
	wait_for "$PATIENCE" conf_state_is held 0
}

functions()
{
	local how
	for how in inline late twice before reject unsupported; do
		check "LUN reset, answered: $how" reset_with "tmf $how" 'delay 200'
	done
	check 'LUN reset, never answered' reset_with 'tmf never'
	check 'the disk works again' disk_works
	kept tmf-arguments
}

CHISCSI_ARGS='abort_timeout=3'
conf_up
conf_attach
errors
functions
conf_down
finish
