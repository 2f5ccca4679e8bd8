#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# chap.sh - CHAP, one way and mutual, and the list of allowed initiators.
#
# Runs in the test machine against the sample driver's parameters.  Right
# secrets must let the initiator in, wrong ones and none at all must be refused
# as an authentication failure, which open-iscsi does not try again.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

USER=inituser
SECRET=initSecret1234
TARGET_USER=tgtuser
TARGET_SECRET=tgtSecret5678

# credentials USER SECRET: what the initiator shows of itself.
credentials()
{
	node_set node.session.auth.authmethod CHAP &&
		node_set node.session.auth.username "$1" &&
		node_set node.session.auth.password "$2"
}

# expect_from_target USER SECRET: what the initiator wants of the target.
expect_from_target()
{
	node_set node.session.auth.username_in "$1" &&
		node_set node.session.auth.password_in "$2"
}

# refused NAME: the login fails, soon, and nothing of it stays.
refused()
{
	check_fails "$1 is refused" timeout "$PATIENCE" bash -c \
		'iscsiadm -m node -T "$0" -p "$1" --login' "$IQN" "$PORTAL"
	check_equal "$1 leaves no session" "$(session_count)" 0
}

accepted()
{
	check "$1 is accepted" login
	check "$1: the disk appears" disk_of "$IQN" "$(lun 0)"
	check "$1: logout" logout
}

one_way()
{
	up chap=oneway "chap_initiator_name=$USER" "chap_initiator_secret=$SECRET"
	check 'discovery needs no secret' discover_quietly
	refused 'a login without CHAP'
	credentials "$USER" wrongSecret99 >/dev/null
	refused 'a wrong secret'
	credentials somebody "$SECRET" >/dev/null
	refused 'a wrong user'
	credentials "$USER" "$SECRET" >/dev/null
	accepted 'the right secret'
	down
}

mutual()
{
	up chap=mutual "chap_initiator_name=$USER" "chap_initiator_secret=$SECRET" \
		"chap_target_name=$TARGET_USER" "chap_target_secret=$TARGET_SECRET"
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	credentials "$USER" "$SECRET" >/dev/null
	expect_from_target "$TARGET_USER" "$TARGET_SECRET" >/dev/null
	accepted 'mutual CHAP'
	expect_from_target "$TARGET_USER" wrongSecret99 >/dev/null
	refused 'a target with another secret'
	down
}

only_the_listed()
{
	up acl=1 "init_name=$INITIATOR.other"
	discover_quietly || :
	iscsiadm -m node -T "$IQN" -p "$PORTAL" -o new >/dev/null 2>&1 || :
	refused 'an initiator that is not on the list'
	down
	up acl=1 "init_name=$INITIATOR"
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	accepted 'an initiator on the list'
	down
}

need_chiscsi
need_sample chap acl
one_way
mutual
only_the_listed
finish
