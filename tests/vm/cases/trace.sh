#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# trace.sh - the target's kernel trace events, as an administrator uses them.
#
# Runs in the test machine.  One read and one solicited write, each of a length that the
# kernel itself never asks for, must leave their steps in order (docs/tracing.md); a
# refused login and the life of the session must show; and the module must go away
# while its events are on.
#
# One processor only: turning events on rewrites the kernel's code while it runs, and the
# emulator (QEMU 7.2, one thread per processor) can keep a stale translation of the
# temporary breakpoint in it, which the kernel then hits for ever.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
tracing=/sys/kernel/tracing
[ -d $tracing/events ] || mount -t tracefs tracefs $tracing ||
	skip_case 'this kernel has no trace events'
events=$tracing/events/chiscsi
LENGTH=3584 # Seven blocks: the page cache reads and writes multiples of eight.

# Recording is bounded by the size of the ring; the clock orders events of all CPUs.
start_tracing()
{
	echo 0 >$tracing/tracing_on && echo >$tracing/trace && echo global >$tracing/trace_clock &&
		echo 1 >"$events/enable" && echo 1 >$tracing/tracing_on
}

stop_tracing()
{
	echo 0 >$tracing/tracing_on && echo 0 >"$events/enable"
}

# seen: what was recorded, as "EVENT FIELDS".
seen()
{
	sed -n 's/^.*[0-9]: chiscsi_\([a-z0-9_]*\): /\1 /p' $tracing/trace
}

# tag_of OPCODE: the Initiator Task Tag of the command with this opcode and our length.
tag_of()
{
	seen | sed -n "s/^cmd_received .* itt=\(0x[0-9a-f]*\) .* opcode=$1 length=$LENGTH\$/\1/p" | tail -n 1
}

# steps_of OPCODE: the names of that command's steps from its arrival to its cleanup; tags
# are used again.
steps_of()
{
	seen | awk -v opcode="opcode=$1" -v length_="length=$LENGTH" -v itt="itt=$(tag_of "$1")" '
		$1 == "cmd_received" && $6 == opcode && $7 == length_ { on = 1; line = "" }
		on && $3 == itt && $1 ~ /^cmd_/ && $1 != "cmd_state" { line = line " " substr($1, 5) }
		$1 == "cmd_cleanup" && $3 == itt { on = 0 }
		END { print substr(line, 2) }'
}

# states_of OPCODE: the states that command went through.
states_of()
{
	seen | awk -v opcode="opcode=$1" -v length_="length=$LENGTH" -v itt="itt=$(tag_of "$1")" '
		$1 == "cmd_received" && $6 == opcode && $7 == length_ { on = 1; line = "" }
		on && $1 == "cmd_state" && $3 == itt { line = line " " $NF; if ($NF == "free") on = 0 }
		END { print substr(line, 2) }'
}

refused_login()
{
	! iscsiadm -m node -T "$IQN.other" -p "$PORTAL" -o new || ! login "$IQN.other"
}

read_write()
{
	sg_raw -r "$LENGTH" "$sg" 28 00 00 00 10 00 00 00 07 00 &&
		sg_raw -s "$LENGTH" -i /dev/zero "$sg" 2a 00 00 00 10 00 00 00 07 00
}

# processors STATE: all but the first go offline (0) or come back (1).
processors()
{
	local file
	for file in /sys/devices/system/cpu/cpu[1-9]*/online; do
		[ ! -e "$file" ] || echo "$1" >"$file"
	done
}

trap 'processors 1' EXIT
processors 0
up
check 'the events are there' test -d "$events"
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
node_set node.session.iscsi.ImmediateData No
node_set node.session.iscsi.InitialR2T Yes
check 'the events can be turned on' start_tracing
check 'a login to an unknown target is refused' refused_login
attach_known
sg=$(sg_of "$disk")
check 'a read and a write' read_write
detach
check 'the events can be turned off' stop_tracing
cp $tracing/trace /run/trace.txt

check_equal 'the steps of the read' "$(steps_of 0x28)" \
	'received delivered lent ended response data_complete cleanup'
check_equal 'the steps of the write' "$(steps_of 0x2a)" \
	'received delivered lent r2t data_complete ended response cleanup'
check_equal 'the states of the read' "$(states_of 0x28)" \
	'receiving ready at_driver responding free'
check_says 'the refused login' '^login_refused .*target=.*\.other status=0x0203$' seen
check_says 'the accepted login' "^login_accepted .*initiator=$INITIATOR target=$IQN status=0x0000\$" seen
check_says 'the session comes' "^session_added session=[0-9]+ tsih=[1-9].* target=$IQN\$" seen
check_says 'the session goes' "^session_removed session=[0-9]+ .* why=logout\$" seen
if [ -d "$events/chiscsi_pdu_sent" ]; then
	check_says 'single PDUs' "^pdu_received .* itt=$(tag_of 0x2a) opcode=0x05 data=$LENGTH " seen
	check_says 'and their answers' "^pdu_sent .* itt=$(tag_of 0x2a) opcode=0x31 data=0 " seen
fi

check 'the events can be turned on again' start_tracing
down
check_equal 'the events go with the module' "$(ls -d "$events" 2>/dev/null)" ''
finish
