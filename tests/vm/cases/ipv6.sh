#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ipv6.sh - one portal group with an IPv4 and an IPv6 portal.
#
# Runs in the test machine.  Discovery over IPv6 must answer with a bracketed
# address; both families must carry a session, one after the other and at once.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

V6='[::1]:3260'

read_some()
{
	dd if="$1" of=/dev/null bs=1M count=4 iflag=direct
}

up 'portal=PortalGroup=1@0.0.0.0:3260,[::]:3260'
check 'the IPv6 portal listens' wait_for_port ::1
check_says 'discovery over IPv6 names the IPv6 portal' "^\[(::1|0*(:0*){6}:0*1)\]:3260,1 $IQN\$" discover "$V6"
check 'login over IPv6' login "$IQN" "$V6"
disk=$(disk_of "$IQN" "$(lun 0)") || give_up 'the disk appears' ''
check 'data over IPv6' read_some "$disk"
check_says 'the session shows the address' '^::1$' cat /sys/class/iscsi_connection/connection*/persistent_address
check 'discovery over IPv4' discover "$PORTAL"
check 'login over IPv4 as well' login "$IQN" "$PORTAL"
check_equal 'two sessions' "$(session_count)" 2
check 'logout over IPv6' logout "$IQN" "$V6"
disk=$(disk_of "$IQN" "$(lun 0)") || give_up 'the disk over IPv4' ''
check 'data over IPv4 goes on' read_some "$disk"
check 'logout over IPv4' logout "$IQN" "$PORTAL"
down
finish
