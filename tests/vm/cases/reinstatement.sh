#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# reinstatement.sh - a session comes back (RFC 7143 s6.3.5).
#
# Runs in the test machine.  By hand-made Login Requests: the same initiator
# name and ISID end the old connection, another ISID does not.  By open-iscsi:
# I/O survives a cut connection, and a daemon that was killed takes its session
# up again.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/raw_login.sh
. "$GUEST_LIB/raw_login.sh"

NAME=$INITIATOR.raw

same_isid()
{
	raw_open 5
	check_says 'a first login' '^23 87 00 00$' raw_login 5 400001370000 "$NAME" "$IQN"
	raw_open 6
	check_says 'the same ISID logs in again' '^23 87 00 00$' raw_login 6 400001370000 "$NAME" "$IQN"
	check 'the old connection is closed' raw_eof 5
	raw_open 7
	check_says 'another ISID logs in' '^23 87 00 00$' raw_login 7 400001370001 "$NAME" "$IQN"
	check 'that leaves the other session alone' raw_alive 6
	raw_close 5
	raw_close 6
	raw_close 7
}

cut_connection()
{
	modprobe -a inet_diag tcp_diag
	ss -K state established 'dport = :3260'
}

# Direct writes go on in the background while the connection is cut.
write_through_a_cut()
{
	fio --name=cut --filename="$disk" --direct=1 --ioengine=libaio --iodepth=8 \
		--rw=write --bs=16k --size=24m --verify=crc32c --verify_fatal=1 --eta=never &
	local writer=$!
	wait_for "$PATIENCE" writes_started "$disk"
	cut_connection
	wait "$writer"
}

# At least 50 writes were completed by the disk.
writes_started()
{
	[ "$(awk '{ print $5 }' "/sys/block/${1##*/}/stat")" -gt 50 ]
}

initiator_port()
{
	cat /sys/class/iscsi_connection/connection*/local_port 2>/dev/null
}

# has_come_back PORT: the session has a connection that does not come from there.
has_come_back()
{
	local port
	port=$(initiator_port) && [ "$port" != "$1" ] && session_is "$(session_dirs "$IQN")" LOGGED_IN
}

# A new daemon logs in again, and lets nobody log out meanwhile; the kernel's session is logged in
# before that, too.
restart_initiator()
{
	local port
	port=$(initiator_port)
	stop_initiator KILL
	start_initiator && wait_for "$PATIENCE" has_come_back "$port" &&
		dd if="$disk" of=/dev/null bs=64k count=8 iflag=direct
}

up
same_isid
check_says 'a target that does not exist is refused as not found' '^23 0. 02 03$' \
	eval 'raw_open 5; raw_login 5 400001370000 "$NAME" "$IQN.nowhere"; raw_close 5'
attach
check 'I/O survives a cut connection' write_through_a_cut
check 'a killed daemon takes its session up again' restart_initiator
check_equal 'it is still one session' "$(session_count)" 1
detach
down
finish
