#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# namespaces.sh - network namespaces that go.
#
# Runs in the test machine.  A portal belongs to the first namespace, whoever
# adds the target: one that was added from another namespace outlives it.  An
# initiator in a namespace that goes is like one whose cable was cut: its
# session ends by the portal's time-out, and the others go on.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/raw_login.sh
. "$GUEST_LIB/raw_login.sh"

need_chiscsi
modprobe veth 2>/dev/null || :
ip link add here0 type veth peer name there0 2>/dev/null || skip_case 'no virtual cables'
ip link del here0
ip netns add probe 2>/dev/null || skip_case 'no network namespaces'
ip netns del probe

# in_namespace NAME COMMAND...
in_namespace()
{
	ip netns exec "$@"
}

# A namespace with a cable to this one: 10.9.0.1 here, 10.9.0.2 there.
make_namespace()
{
	ip netns add "$1" && ip link add here0 type veth peer name there0 netns "$1" &&
		ip addr add 10.9.0.1/24 dev here0 && ip link set here0 up &&
		in_namespace "$1" ip addr add 10.9.0.2/24 dev there0 &&
		in_namespace "$1" ip link set there0 up
}

sessions_logged()
{
	[ "$(klog_since | grep -c "$1")" -ge "$2" ]
}

# --- the target is added from a namespace that goes --------------------------

ip netns add adder
load_from_namespace()
{
	in_namespace adder bash -c ". $GUEST_LIB/guest.sh; load_target portal='PortalGroup=1@0.0.0.0:3260,timeout=4'"
}
check 'a target is added from a namespace' load_from_namespace
check 'it listens here' wait_for_port
check_fails 'and not there' in_namespace adder sh -c 'ip link set lo up; exec 3<>/dev/tcp/127.0.0.1/3260'
check 'the namespace goes' ip netns del adder
check 'the target stays' port_open 127.0.0.1 3260
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
attach

# --- an initiator is in a namespace that goes ----------------------------------

check 'a namespace with a cable' make_namespace other
klog_mark sessions
# It logs in and holds its connection until its namespace is gone.
in_namespace other bash -c "
	set -eu
	. $GUEST_LIB/guest.sh
	. $GUEST_LIB/raw_login.sh
	PORTAL=10.9.0.1:3260
	raw_open 5
	raw_login 5 400001370000 $INITIATOR.other $IQN >/run/other.login
	wait_for 120 test -e /run/other.stop" >/run/other.out 2>&1 &
other=$!
check 'an initiator there logs in' wait_for "$PATIENCE" grep -q '^23 87 00 00' /run/other.login
check 'its session is there' wait_for "$PATIENCE" sessions_logged 'session [0-9]* of .*other, tsih' 1
# The cable first, so that nothing says good-bye.
check 'its cable is cut' ip link del here0
ip netns del other
: >/run/other.stop
wait "$other" || :
check 'its session ends by the time-out' wait_for "$PATIENCE" \
	sessions_logged 'session [0-9]* of .*other ends' 1
check 'the other session goes on' dd if="$disk" of=/dev/null bs=64k count=64 iflag=direct
detach
down
finish
