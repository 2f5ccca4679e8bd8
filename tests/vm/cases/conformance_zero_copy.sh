#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# conformance_zero_copy.sh - the target is done with read data when it says so.
#
# Runs in the test machine.  The conformance driver overwrites each read buffer
# right after the hook that gives it back.  With zero_copy=2 the network refers to
# the pages themselves, and a slow link keeps them there for long; what the
# initiator gets must be right nevertheless, data digest included.  To show
# that the test would notice: a driver that overwrites its buffers too early has its
# reads fail.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/conformance.sh
. "$GUEST_LIB/conformance.sh"

BLOCKS=1000

# Everything over loop-back is slow and waits in a queue.
slow_link()
{
	modprobe -a sch_netem sch_tbf 2>/dev/null || :
	tc qdisc add dev lo root netem delay 60ms rate 40mbit limit 10000
}

fast_link()
{
	tc qdisc del dev lo root
}

same_data()
{
	: >/run/in.data
	sg_read $BLOCKS /run/in.data && cmp /run/out.data /run/in.data
}

reads_are_right()
{
	local kind
	for kind in both page mixed odd; do
		script "buffer $kind"
		check "$1: $kind buffers" same_data
	done
	script 'buffer both' 'phase 131072' 'ahead 1'
	check "$1: phases" same_data
}

with_digest()
{
	set_digests "$1" >/dev/null
	attach_known
	sg=$(sg_of "$disk")
	script
	sg_write $BLOCKS /run/out.data >/dev/null || give_up 'the data is written' ''
	slow_link || give_up 'the link is slow' ''
	reads_are_right "digest $1"
	fast_link
}

# A LUN reset while the network has the data: the driver gets its list back by an
# abort, and may overwrite it at once.
reset_in_transfer()
{
	slow_link
	conf_do clear
	script 'buffer both'
	sg_raw --timeout=20 -r 512000 "$sg" 28 00 00 00 00 00 00 03 e8 00 >/dev/null 2>&1 &
	local reader=$!
	check 'data is on its way' wait_for "$PATIENCE" hook_seen '^execution_status with data'
	check 'a LUN reset meanwhile' sg_reset --device --no-escalate "$sg"
	fast_link
	wait "$reader" || :
	check 'the driver was told of the reset' hook_seen '^function 5'
	check 'the command is over' wait_for "$PATIENCE" conf_state_is held 0
	check 'the disk works' disk_works
}

# The other way round: the test sees a buffer that changes too early.
too_early()
{
	slow_link
	script 'buffer both' 'early_scribble 1' 'count 1'
	check_fails 'a driver that breaks the contract is noticed' same_data
	fast_link
	script
	check 'the disk works' disk_works
}

command -v tc >/dev/null || skip_case 'there is no tc'
head -c $((BLOCKS * 512)) /dev/urandom >/run/out.data
CHISCSI_ARGS='zero_copy=2'
conf_up
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
node_set node.session.timeo.replacement_timeout 20
with_digest CRC32C
detach
with_digest None
reset_in_transfer
too_early
conf_do judge
kept after-return xfer-returned xfer-order
conf_down
finish
