#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# conformance_logins.sh - logins that a storage driver answers in every way.
#
# Runs in the test machine.  Both checks accept, refuse with each status, answer
# late, twice and never; the CHAP hook sets each flag.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/raw_login.sh
. "$GUEST_LIB/raw_login.sh"
# shellcheck source=tests/vm/lib/conformance.sh
. "$GUEST_LIB/conformance.sh"

# one_login: prints "OPCODE FLAGS CLASS DETAIL" and closes the connection.
one_login()
{
	raw_open 5
	raw_login 5 400001370000 "$INITIATOR.raw" "$IQN"
	raw_close 5
}

statuses()
{
	local check status
	for check in first stage; do
		script "$check accept"
		check_says "$check check: accepted" '^23 87 00 00$' one_login
		for status in 0200 0202 0203 0204 020b 0300 0301 0302; do
			script "$check refuse" "login_status 0x$status"
			check_says "$check check: refused with $status" \
				"^23 .. ${status:0:2} ${status:2:2}$" one_login
		done
		script "$check refuse" 'login_status 0x0101'
		check_says "$check check: redirection is the target's business" '^23 87 00 00$' one_login
		script "$check refuse" 'login_status 0x0901'
		check_says "$check check: no such class" '^23 .. 03 00$' one_login
		script "$check late" 'delay 300'
		check_says "$check check: late" '^23 87 00 00$' one_login
		script "$check twice"
		check_says "$check check: twice" '^23 87 00 00$' one_login
	done
}

# The target drops the connection at its limit, and the answer after that is ignored.
never()
{
	local check
	for check in first stage; do
		script "$check never"
		raw_open 5
		raw_text "InitiatorName=$INITIATOR.raw" "TargetName=$IQN" SessionType=Normal
		raw_send 5 400001370000 0
		check "$check check: never, and the connection closes" raw_eof 5
		raw_close 5
		conf_do release
	done
}

# What comes while the check is open must not be answered before it.
closed_meanwhile()
{
	script 'first never'
	raw_open 5
	raw_text "InitiatorName=$INITIATOR.raw" "TargetName=$IQN" SessionType=Normal
	raw_send 5 400001370000 0
	wait_for "$PATIENCE" hook_seen '^first_login_check'
	raw_close 5
	conf_do release
	script
	check_says 'an answer for a connection that is gone' '^23 87 00 00$' one_login
}

chap_node()
{
	iscsiadm -m node -T "$IQN" -p "$PORTAL" -o new >/dev/null 2>&1 || :
	node_set node.session.auth.authmethod CHAP &&
		node_set node.session.auth.username "$1" && node_set node.session.auth.password "$2"
}

chap_in()
{
	node_set node.session.auth.username_in "$1" && node_set node.session.auth.password_in "$2"
}

chap_says()
{
	local name=$1 flags=$2 expected=$3 got=refused
	script "chap_flags $flags"
	if login >/run/login.out 2>&1; then
		got=accepted
		logout >/dev/null 2>&1 || :
	fi
	check_equal "CHAP: $name" "$got" "$expected"
}

# Bits: 1 local name, 2 local secret, 8 remote secret, 0x10 mutual is required.
chap()
{
	chap_node anybody conformance-1234 >/dev/null
	chap_says 'no secret' 0 refused
	chap_says 'the secret' 8 accepted
	chap_says 'mutual possible, not asked for' 0xb accepted
	chap_says 'mutual required, not asked for' 0x1b refused
	chap_node anybody conformance-9999 >/dev/null
	chap_says 'another secret' 8 refused
	chap_node anybody conformance-1234 >/dev/null
	chap_in conformance conformance-5678 >/dev/null
	chap_says 'mutual' 0xb accepted
	chap_says 'mutual and required' 0x1b accepted
	chap_says 'mutual without a secret of the target' 9 refused
	chap_says 'mutual without a name of the target' 0xa refused
	kept chap-flags
}

conf_up
statuses
closed_meanwhile
kept login-order login-names session-once session-replace hook-context
conf_down
CHISCSI_ARGS='login_timeout=10' conf_up
never
conf_down
conf_up keys=AuthMethod=CHAP
chap
conf_down
finish
