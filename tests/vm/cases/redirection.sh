#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# redirection.sh - a portal that sends every login on to others.
#
# Runs in the test machine.  open-iscsi logs in at the first portal group and its session is
# with the second; when that ends it comes back by the first.  Two portals take turns, reloads
# change where to, and with ShadowMode=Yes the other portal is that of another target (LIO).

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/raw_login.sh
. "$GUEST_LIB/raw_login.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark redirection

IQN=iqn.2026-11.org.example:moved
# Of the loop-back network, so that every machine has them.
PORTAL=127.0.0.11:3260
second=127.0.0.12
third=127.0.0.13
conf=/run/redirection.conf

# start LINE...: the target with these further keys, or its reload.
start()
{
	{
		printf 'target:\nTargetName=%s\nTargetDevice=ram,MEM,size=16MB\n' "$IQN"
		printf '%s\n' "$@"
	} >"$conf"
	iscsictl -S "target=$IQN" -f "$conf"
}

to_second="PortalGroup=1@$PORTAL,[2]"
group_two="PortalGroup=2@$second:3260"

# portals: where the session is, and where it logs in, as the initiator has it.
portals()
{
	iscsiadm -m session -P 1 |
		sed -n 's/^[[:space:]]*\(Current\|Persistent\) Portal: \(.*\)/\1 \2/p' | tr '\n' ' ' | sed 's/ $//'
}
are_portals() { [ "$(portals)" = "$1" ]; }
# The tag is that of the session in both lines.
moved_to() { printf 'Current %s:3260,%s Persistent %s,%s' "$1" "${2-2}" "$PORTAL" "${2-2}"; }

# target_side: where the target has the connection.
target_side() { iscsictl -r "target=$IQN" | sed -n 's/.* target_address=\([^,]*\).*/\1/p'; }

handle() { iscsictl -r "target=$IQN" | sed -n 's/^SESSION: handle=\([^,]*\),.*/\1/p'; }
other_handle() { [ -n "$(handle)" ] && [ "$(handle)" != "$before" ]; }

redirects() { klog_since | grep -c "at $IQN refused, status 0101" || :; }
more_redirects() { [ "$(redirects)" -gt "$before_count" ]; }

# same_data: what was written is read through whatever session there is now.
same_data() { dd if="$disk" bs=1M count=4 iflag=direct status=none | cmp -n 4194304 - /run/pattern; }

is_closed() { ! port_open "$1" 3260; }

# asked_at ADDRESS: what a login there is answered, by hand, with the address it is sent on to.
asked_at()
{
	local PORTAL=$1:3260 status
	raw_open 5
	status=$(raw_login 5 400001370000 "$INITIATOR.raw" "$IQN")
	raw_close 5
	printf '%s %s\n' "$status" "$(tr -d '\0' </run/raw.answer.text)"
}

sent_to() { printf '23 00 01 01 TargetAddress=%s' "$1"; }

engine_load
for bad in '[1]' '[3]' '[2,2]'; do
	check_fails "a list $bad that makes no sense is refused" start "PortalGroup=1@$PORTAL,$bad" "$group_two"
done
check_says 'and nothing has started' '^no active target$' iscsictl -c
check 'the target starts' start "$to_second" "$group_two"
wait_for_port "${PORTAL%:*}" || give_up 'it listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"

# --- to the other portal and back to the first ------------------------------------------

check_equal 'discovery names both' "$(discover | sort | tr '\n' ' ')" \
	"$PORTAL,1 $IQN $second:3260,2 $IQN "
check 'login at the first portal' login
check 'the session is with the second' wait_for "$PATIENCE" are_portals "$(moved_to $second)"
check_equal 'the target says so, too' "$(target_side)" "$second:3260"
check_equal 'the login was sent on once' "$(redirects)" 1
disk=$(disk_of "$IQN" 0) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
dd if=/dev/urandom of=/run/pattern bs=1M count=4 status=none
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
check 'read' same_data

# comes_back NAME ADDRESS [TAG]: by the first portal once more, and on to this address.
comes_back()
{
	check "$1: another session" wait_for "$PATIENCE" other_handle
	check "$1: sent on by the first portal" wait_for "$PATIENCE" more_redirects
	check "$1: with $2" wait_for "$PATIENCE" are_portals "$(moved_to "$2" "${3-2}")"
}

# note: what comes_back compares with.
note()
{
	before=$(handle)
	before_count=$(redirects)
}

note
check 'the session is dropped' iscsictl -D "$before"
comes_back 'the drop' $second
check 'the drop: the data is there' same_data

# --- several portals, and reloads below the session ---------------------------------------

# take_turns NAME: four logins, each sent to the other portal than the one before.
take_turns()
{
	local first
	first=$(asked_at "${PORTAL%:*}"; asked_at "${PORTAL%:*}")
	check_equal "$1 take turns" "$(printf '%s\n' "$first" | sort | tr '\n' '|')" \
		"$(sent_to $second:3260)|$(sent_to $third:3260)|"
	check_equal "$1 have the same order again" "$(asked_at "${PORTAL%:*}"; asked_at "${PORTAL%:*}")" "$first"
}

before=$(handle)
check 'a second portal in the group' start "$to_second" "$group_two,$third:3260"
take_turns 'two portals of a group'
check 'a group of its own for it' start "PortalGroup=1@$PORTAL,[2,3]" "$group_two" "PortalGroup=3@$third:3260"
take_turns 'two groups'
check_equal 'the session has not noticed' "$(handle)" "$before"
check 'nor its data' same_data

note
check 'the group of the session is taken away' start "PortalGroup=1@$PORTAL,[3]" "PortalGroup=3@$third:3260"
check 'its portal is closed' wait_for "$PATIENCE" is_closed $second
comes_back 'the group that is left' $third 3
check 'the data is still there' same_data
check_equal 'who asks there is not sent on' "$(asked_at $third | cut -c 1-11)" '23 87 00 00'

before=$(handle)
check 'the list is taken away' start "PortalGroup=1@$PORTAL" "PortalGroup=3@$third:3260"
check_equal 'the session goes on' "$(handle)" "$before"
check_equal 'new logins stay where they come to' "$(asked_at "${PORTAL%:*}" | cut -c 1-11)" '23 87 00 00'

note
check 'the target stops' iscsictl -s "target=$IQN"
check 'and starts with another list' start "$to_second" "$group_two"
comes_back 'the restart' $second
check 'the restart: the disk can be read' dd if="$disk" of=/dev/null bs=64k count=4 iflag=direct

# --- ShadowMode ---------------------------------------------------------------------------

check 'logout' logout
check 'the second group becomes that of another machine' start "$to_second" "$group_two" ShadowMode=Yes
check 'it is closed here' wait_for "$PATIENCE" is_closed $second
check_equal 'logins are sent there' "$(asked_at "${PORTAL%:*}")" "$(sent_to $second:3260)"
check_equal 'discovery does not name it' "$(discover | tr '\n' ' ')" "$PORTAL,1 $IQN "

# other_machine FUNCTION [ARGUMENT...]: what the library does for LIO.
other_machine()
(
	# shellcheck source=tests/vm/lib/target_lio.sh
	. "$GUEST_LIB/target_lio.sh"
	"$@"
)

vendor() { cat "/sys/block/${1##*/}/device/vendor"; }

if other_machine target_load "$IQN" "PortalGroup=1@$second:3260" 16 >/run/lio.out 2>&1; then
	check 'the other machine has it' wait_for_port $second
	check 'login' login
	check 'the session is with the other machine' wait_for "$PATIENCE" are_portals \
		"Current $second:3260,1 Persistent $PORTAL,1"
	disk=$(disk_of "$IQN" 0) || give_up 'its disk appears' "$(dmesg | tail -n 20)"
	check_says 'its disk is of another make' '^LIO' vendor "$disk"
	check 'its disk is written' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
	check 'and read' same_data
	grep -v ShadowMode "$conf" >/run/no_shadow.conf
	check_says 'the address is taken: the group cannot come back' "$second:3260" \
		sh -c "! iscsictl -S target=$IQN -f /run/no_shadow.conf 2>&1"
	check 'the session goes on' same_data
	check 'logout' logout
	check 'the other machine goes' other_machine target_unload
else
	skip 'a session with another machine' "there is no LIO: $(tail -n 1 /run/lio.out)"
fi
check 'the group comes back' start "$to_second" "$group_two"
check 'login at the first portal' login
check 'the session is with the second again' wait_for "$PATIENCE" are_portals "$(moved_to $second)"
disk=$(disk_of "$IQN" 0) || give_up 'the disk is there again' "$(dmesg | tail -n 20)"
check_says 'the disk is ours' '^CHISCSI' vendor "$disk"

check 'logout' logout
iscsiadm -m node -o delete >/dev/null 2>&1 || :
stop_initiator
check 'the target stops' iscsictl -s "target=$IQN"
check 'the module unloads' unload_target
check_klog 'the kernel log is clean' redirection
finish
