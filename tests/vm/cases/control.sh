#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# control.sh - the control device.
#
# Runs in the test machine with open-iscsi.  Targets are started, changed, looked at
# and stopped over /dev/chiscsi while their disks are used; what no tool would ask for
# is refused; and the module stays as long as somebody needs it.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v control_client >/dev/null || skip_case 'there is no control_client (make test-modules)'
[ -e /modules/blocks_driver.ko ] || skip_case 'there is no blocks_driver.ko'
klog_mark control

DRIVERS=iqn.2026-01.test.chiscsi:driver

# Started by the administrator, with the disks of a driver.
start()
{
	control_client start "TargetName=$IQN" 'PortalGroup=1@0.0.0.0:3260' "$@"
}

# value KEY OPERATION...: the first value of a key in the output.
value()
{
	local key=$1
	shift
	control_client "$@" | sed -n "s/^$key=//p" | head -n 1
}

is_value()
{
	[ "$(value "$2" "${@:3}")" = "$1" ]
}

target_gone()
{
	! control_client list "target=$IQN"
}

check 'the module loads' engine_load
check 'the device appears' wait_for "$PATIENCE" test -c /dev/chiscsi
check_equal 'nobody else may open it' "$(stat -c '%a %U' /dev/chiscsi)" '600 root'
check_says 'versions' '^control=1$' control_client versions

# --- who does not know what a request is ---------------------------------------

for kind in envelopes addresses room input race rights; do
	check "wrong requests: $kind" control_client --hostile "$kind"
done
check_says 'an unknown key is named' '"colour": is no key' control_client list colour=red
check_says 'no class, no target' 'no LUN class "BLOCKS" is there' start TargetDevice=one,BLOCKS

# --- a target of the administrator ----------------------------------------------

check 'the driver loads' insmod /modules/blocks_driver.ko target_name="$DRIVERS" devices='zero,BLOCKS'
check_says 'a check starts nothing' '^result=started$' \
	control_client start 0x1 "TargetName=$IQN" 'PortalGroup=1@0.0.0.0:3260' TargetDevice=one,BLOCKS
check 'nothing was started' target_gone
check_says 'it starts' '^result=started$' start 'TargetDevice=one,BLOCKS' 'TargetDevice=two,BLOCKS'
check_says 'it is listed' "^target=$IQN$" control_client list
check_says 'the keys' '^TargetDevice=one,BLOCKS,PROD=.*,SN=.*,ID=.*,WWN=' \
	control_client config "target=$IQN"
check_fails 'the target of a driver is not stopped' control_client stop "target=$DRIVERS"
check_says 'and why' 'belongs to a storage driver, class blocks' control_client stop "target=$DRIVERS"
wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
attach

dd if=/dev/urandom of=/run/pattern bs=1M count=4 status=none
check 'write' dd if=/run/pattern of="$disk" bs=64k oflag=direct status=none
check 'read back' cmp -n 4194304 /run/pattern "$disk"
check_equal 'the session is listed' "$(value initiator sessions "target=$IQN")" "$INITIATOR"
check_equal 'its connection is there' "$(value state sessions "target=$IQN" | tail -n 1)" active
check 'writes are counted' wait_for "$PATIENCE" \
	eval "[ \"\$(value write_bytes statistics target=$IQN)\" -ge 4194304 ]"
check_says 'latencies are counted' '^latency_us=[0-9]+:[0-9]+' control_client statistics
check 'flush' control_client flush "target=$IQN" lun=0
check_says 'no such LUN' 'no LUN 9' control_client flush "target=$IQN" lun=9

# --- changes under I/O ------------------------------------------------------------

reads_begin "$disk"
for round in 1 2 3 4 5; do
	start 'TargetDevice=one,BLOCKS' "MaxBurstLength=$((262144 * round))" >>/run/reloads
	start 'TargetDevice=one,BLOCKS' 'TargetDevice=two,BLOCKS' >>/run/reloads
done
check_equal 'ten reloads' "$(grep -c '^result=reloaded$' /run/reloads)" 10
check_says 'what may not change' 'TargetSessionMaxCmd: cannot change' \
	start 'TargetDevice=one,BLOCKS' TargetSessionMaxCmd=9
check 'the reader never notices' reads_end

sg=$(sg_of "$disk")
check 'the vendor' control_client set iscsi_target_vendor_id=EXAMPLE
check_says 'the class has its own' 'RAM' sg_inq "$sg"
check_says 'globals' '^iscsi_target_vendor_id=EXAMPLE$' control_client globals
check_fails 'a bad global' control_client set iscsi_login_complete_time=4000
check 'messages of every step' control_client set iscsi_verbose_level=0xf,0xc82000
check 'a command is traced' sg_turs "$sg"
check 'and no more' control_client set iscsi_verbose_level=0x7
check_says 'its steps are in the log' 'itt 0x[0-9a-f]+: ready -> ' klog_since

# --- a session is dropped, and comes again -----------------------------------------

session=$(value session sessions "target=$IQN")
check 'drop' control_client drop "session=$session"
check 'the initiator is back' wait_for "$PATIENCE" eval \
	"[ -n \"\$(value session sessions target=$IQN)\" ] && ! is_value $session session sessions target=$IQN"
check 'and reads' cmp -n 4194304 /run/pattern "$disk"
check_fails 'the old number means nothing' control_client drop "session=$session"

# --- who holds the module ------------------------------------------------------------

check_fails 'a started target holds the module' rmmod chiscsi
detach
check 'stop' control_client stop "target=$IQN"
check_says 'stop once more' 'no such target' control_client stop "target=$IQN"

# Several tools at once: each succeeds or is told why not.
tools=
for tool in 1 2 3; do
	(
		for round in 1 2 3 4 5 6 7 8 9 10; do
			start 'TargetDevice=one,BLOCKS' || :
			control_client stop "target=$IQN" || :
			control_client list || :
		done
	) >"/run/tool.$tool" 2>&1 &
	tools="$tools $!"
done
# shellcheck disable=SC2086 # One word each.
check 'several tools' wait $tools
check_equal 'only two kinds of refusal' \
	"$(cat /run/tool.[123] | grep -vcE '^(result|target|id|class|owner|sessions|luns)=|^$|^Device or resource busy|^No such file or directory|somebody else|no such target' || :)" 0
control_client stop "target=$IQN" >/dev/null 2>&1 || :

# A driver that goes takes the targets with its disks along.
check 'start again' start 'TargetDevice=one,BLOCKS'
check 'the driver unloads' rmmod blocks_driver
check 'its targets are gone' target_gone

mkfifo /run/hold
control_client --hold </run/hold >/run/held &
holder=$!
exec 4>/run/hold
check 'the device is open' wait_for "$PATIENCE" grep -q held /run/held
check_fails 'an open device holds the module' rmmod chiscsi
exec 4>&-
check 'it is closed' wait "$holder"
stop_initiator
iscsiadm -m node -o delete >/dev/null 2>&1 || :
check 'the module unloads' wait_for "$PATIENCE" rmmod chiscsi
check_fails 'the device is gone' test -e /dev/chiscsi
check_klog 'the kernel log'
finish
