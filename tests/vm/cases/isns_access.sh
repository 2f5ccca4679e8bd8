#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# isns_access.sh - an iSNS server decides who may log in.
#
# Runs in the test machine.  isnsd of open-isns has a discovery domain with a target and one of
# two initiators; chisns brings what it says to the module.  The other initiator is refused until
# it is in the domain, who has left goes on with the session that is there and gets no new one,
# and without chisns, however it ended, the configuration file decides.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/isns.sh
. "$GUEST_LIB/isns.sh"

need_chiscsi
isns_begin iscsictl chisns isnsd isnsadm
klog_mark isns_access

iqn=iqn.2026-11.org.example:guarded

# as NAME ARGUMENT...: isnsadm as the node of this name.
as()
{
	cat >"$folder/adm" <<-END
		SourceName = $1
		ServerAddress = $ISNS_SERVER
		ControlSocket = $folder/control
		Security = 0
	END
	shift
	isnsadm -c "$folder/adm" "$@"
}

domain() { as iqn.2026-11.org.example:admin --local "$@"; }

add_interface()
{
	iscsiadm -m iface -I "$1" -o new &&
		iscsiadm -m iface -I "$1" -o update -n iface.transport_name -v tcp &&
		iscsiadm -m iface -I "$1" -o update -n iface.initiatorname -v "$INITIATOR.$1"
}

add_node() { iscsiadm -m node -o new -T "$1" -p "$PORTAL,1" -I "$2"; }

# allowed: who may log in by what the server says, as the module has it; "none" without a list.
allowed()
{
	local state
	state=$(iscsictl -c "target=$1" --json)
	case $state in
	*isns_version*) iscsictl -c "target=$1" -k iSNSInitiator | sed -n 's/.*iSNSInitiator=.*\.//p' | tr '\n' ' ' | sed 's/ $//' ;;
	*) echo none ;;
	esac
}

is_allowed() { [ "$(allowed "$1")" = "$2" ]; }

reads() { dd if="$1" of=/dev/null bs=64k count=4 iflag=direct; }

refusals() { klog_since | grep -c "login of $INITIATOR.$1 at $2 refused, status 0202" || :; }

# check_refused NAME INITIATOR TARGET
check_refused()
{
	local before
	before=$(refusals "$2" "$3")
	check_fails "$1" login "$3" "$PORTAL" "$2"
	check_equal 'it is the authorization that it lacks' $(($(refusals "$2" "$3") - before)) 1
}

cat >"$folder/chiscsi.conf" <<END
global:
    iscsi_acl_order=ISNS
target:
    TargetName=$iqn-a
    TargetDevice=ram,MEM,size=16MB
    PortalGroup=1@127.0.0.1:3260
    ACL_Enable=Yes
target:
    TargetName=$iqn-b
    TargetDevice=ram,MEM,size=16MB
    PortalGroup=1@127.0.0.1:3260
    ACL_Enable=Yes
    ACL=iname=$INITIATOR.second
END
chmod 600 "$folder/chiscsi.conf"

engine_load
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
check 'the targets start' iscsictl -S target=ALL -f "$folder/chiscsi.conf"
for name in first second; do
	add_interface $name >/run/iface.out 2>&1 || give_up 'interface records' "$(cat /run/iface.out)"
	for target in a b; do
		add_node "$iqn-$target" $name >/run/node.out 2>&1 || give_up 'node records' "$(cat /run/node.out)"
	done
done
check_equal 'nothing from a server' "$(allowed "$iqn-a")" none
check_refused 'without lines and list nobody may log in' first "$iqn-a"

check 'the server starts' start_isnsd
for name in first second; do
	check "the $name is registered" as "$INITIATOR.$name" --register "entity=$name" \
		"initiator=$INITIATOR.$name"
done
start_chisns 1
check 'the server knows both' wait_for "$PATIENCE" is_allowed "$iqn-a" 'first second'
check 'a domain with the targets and one of them' domain --dd-register dd-name=vault \
	"dd-member-name=$iqn-a" "dd-member-name=$iqn-b" "dd-member-name=$INITIATOR.first"
check 'the module hears of it' wait_for "$PATIENCE" is_allowed "$iqn-a" first
check 'for the other target, too' wait_for "$PATIENCE" is_allowed "$iqn-b" first

check 'who is in the domain logs in' login "$iqn-a" "$PORTAL" first
check_refused 'the other one does not' second "$iqn-a"
check_refused 'a line in the file does not help it' second "$iqn-b"
disk=$(disk_of "$iqn-a" 0 first) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
check 'the disk can be read' reads "$disk"

check 'the other one comes into the domain' domain --dd-register dd-id=1 \
	"dd-member-name=$INITIATOR.second"
check 'the module hears of that' wait_for "$PATIENCE" is_allowed "$iqn-a" 'first second'
check 'it logs in' login "$iqn-a" "$PORTAL" second
check 'the first leaves the domain' domain --dd-deregister 1 "dd-member-name=$INITIATOR.first"
check 'and the list' wait_for "$PATIENCE" is_allowed "$iqn-a" second
check 'its session goes on' reads "$disk"
check 'logout' logout "$iqn-a" "$PORTAL" first
check_refused 'it does not come back' first "$iqn-a"

# --- without chisns --------------------------------------------------------------

kill -KILL "$chisns"
check 'chisns is killed' wait_for "$PATIENCE" is_allowed "$iqn-a" none
check 'the line in the file counts again' login "$iqn-b" "$PORTAL" second
check_refused 'where there is no line nobody logs in' first "$iqn-a"
other=$(disk_of "$iqn-a" 0 second) || give_up 'the disk of the second' ''
check 'the session of the second goes on' reads "$other"
start_chisns 1
check 'chisns comes back, and the list with it' wait_for "$PATIENCE" is_allowed "$iqn-a" second
kill "$chisns"
check 'it ends by itself when it is told' wait_for "$PATIENCE" has_ended "$chisns"
check_equal 'and takes the list away' "$(allowed "$iqn-a")" none
chisns=
check_equal 'it had nothing to say' "$(cat "$folder/chisns.log")" ''

check 'the last logout' iscsiadm -m node -u
iscsiadm -m node -o delete >/dev/null 2>&1 || :
check 'the targets stop' iscsictl -s target=ALL
stop_initiator
check 'the module unloads' rmmod chiscsi
check_klog 'nothing bad in the log'
finish
