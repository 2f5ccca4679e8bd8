#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# discovery.sh - SendTargets discovery by open-iscsi (RFC 7143 Appendix C).
#
# Runs in the test machine.  Checks that a discovery session names the target
# with the address the initiator came to, that it can be repeated without a
# trace, and that no normal session comes of it.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

discover_many()
{
	local round
	for round in 1 2 3 4 5 6 7 8; do
		discover >/run/discover.out 2>&1 || { echo "round $round"; cat /run/discover.out; return 1; }
	done
}

up
check_says 'discovery names the target' "^127\.0\.0\.1:3260,1 $IQN\$" discover
check_says 'discovery through another address names that address' \
	"^10\.0\.2\.15:3260,1 $IQN\$" discover 10.0.2.15:3260
check 'discovery can be repeated' discover_many
check_equal 'discovery leaves no session' "$(session_count)" 0
check_equal 'discovery makes one node record per portal' \
	"$(iscsiadm -m node 2>/dev/null | grep -c "$IQN")" 2
down
finish
