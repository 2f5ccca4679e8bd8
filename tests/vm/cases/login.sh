#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# login.sh - login, logout and what was negotiated.
#
# Runs in the test machine with open-iscsi.  Checks that disks of every LUN
# come and go with the session, that repeated logins work, and the by-path
# links of udev.  Refused logins are in reinstatement.sh.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

login_many()
{
	local round
	for round in 1 2 3 4 5; do
		login || { echo "login $round"; return 1; }
		logout || { echo "logout $round"; return 1; }
	done
}

disks_gone()
{
	[ -z "$(ls -d /sys/block/sd* 2>/dev/null)" ]
}

up
attach
ok 'login brings a disk'
check_equal 'one session' "$(session_count)" 1
check 'the second LUN is there' disk_of "$IQN" "$(lun 1)"
check_equal 'the disk has its 64 MiB' "$(blockdev --getsize64 "$disk")" 67108864
session=$(session_dirs "$IQN")
check 'the session is logged in' session_is "$session" LOGGED_IN
check_says 'the session shows its portal group' '^1$' cat "$session/tpgt"
check_fails 'a second login of the same node is refused by the initiator' login
start_udevd
check 'udev makes a by-path link' wait_for "$PATIENCE" \
	test -b "/dev/disk/by-path/ip-$PORTAL-iscsi-$IQN-lun-$(lun 0)"
detach
check 'the disks are gone' wait_for "$PATIENCE" disks_gone
check 'login and logout repeat' login_many
down
finish
