#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# reservations.sh - persistent reservations, RESERVE and port groups, by sg3_utils.
#
# Runs in the test machine against blocks_driver.ko, whose LUNs leave SCSI to the
# target.  Two initiator names have a session each: what one reserves keeps the
# other away, the other hears of it, and with APTPL it is still so after both
# modules have been unloaded and loaded again.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
[ -e /modules/blocks_driver.ko ] || skip_case 'there is no blocks_driver.ko'
klog_mark reservations
records=/var/lib/chiscsi/pr

add_interface()
{
	iscsiadm -m iface -I "$1" -o new &&
		iscsiadm -m iface -I "$1" -o update -n iface.transport_name -v tcp &&
		iscsiadm -m iface -I "$1" -o update -n iface.initiatorname -v "$INITIATOR.$1"
}

load_both()
{
	engine_load
	insmod /modules/blocks_driver.ko target_name="$IQN" devices='one,BLOCKS;two,BLOCKS' &&
		wait_for_port
}

# Sets $one and $two, the generic devices of LUN 0 of both.
log_in_both()
{
	login "$IQN" "$PORTAL" first && login "$IQN" "$PORTAL" second || return 1
	one=$(sg_of "$(disk_of "$IQN" 0 first)") && two=$(sg_of "$(disk_of "$IQN" 0 second)")
}

reserve_out() { sg_persist --no-inquiry --out "$@"; }
reserve_in() { sg_persist --no-inquiry --in "$@"; }
write_to() { sg_raw --send=512 --infile=/run/block "$1" 2a 00 00 00 00 00 00 00 01 00; }
read_from() { sg_raw --request=512 "$1" 28 00 00 00 00 00 00 00 01 00; }

head -c 512 /dev/urandom >/run/block
check 'target and driver load' load_both
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
check 'interface records' add_interface first
check 'interface records, second' add_interface second
check 'discovery for both' iscsiadm -m discovery -t sendtargets -p "$PORTAL" -I first -I second
log_in_both || give_up 'both log in' "$(dmesg | tail -n 20)"

check_says 'capabilities' 'Power Loss Capable.*: 1' reserve_in --report-capabilities "$one"
check_says 'no keys' 'NO registered' reserve_in --read-keys "$one"
check 'the first registers' reserve_out --register --param-sark=0xa "$one"
check 'the second registers' reserve_out --register --param-sark=0xb "$two"
check_says 'both are there' '2 registered' reserve_in --read-keys "$two"
check 'the first reserves' reserve_out --reserve --param-rk=0xa --prout-type=1 "$one"
check_says 'the second sees it' 'Write Exclusive' reserve_in --read-reservation "$two"
check_says 'full status names the port' "$INITIATOR.first" reserve_in --read-full-status "$two"
check 'the first writes' write_to "$one"
check_says 'the second may not' '[Rr]eservation [Cc]onflict' write_to "$two"
check 'the second reads' read_from "$two"
check_says 'nor reserve' '[Rr]eservation [Cc]onflict' reserve_out --reserve --param-rk=0xb --prout-type=1 "$two"
check_says 'a release of another type' 'Illegal request' \
	reserve_out --release --param-rk=0xa --prout-type=3 "$one"
check 'the second preempts and aborts' \
	reserve_out --preempt-abort --param-rk=0xb --param-sark=0xa --prout-type=3 "$two"
check_says 'the first hears of it' 'Registrations preempted' sg_raw -v "$one" 00 00 00 00 00 00
check_says 'the first may not read' '[Rr]eservation [Cc]onflict' read_from "$one"
check 'the second writes' write_to "$two"
check 'the second clears' reserve_out --clear --param-rk=0xb "$two"
check 'the first writes again' write_to "$one"

check 'RESERVE(6)' sg_raw "$one" 16 00 00 00 00 00
check_says 'keeps the other away' '[Rr]eservation [Cc]onflict' sg_raw "$two" 00 00 00 00 00 00
check 'a reset ends it' sg_reset --device --no-escalate "$two"
# Both have to hear of the reset first.
for sg in "$one" "$two"; do sg_raw "$sg" 00 00 00 00 00 00 >/dev/null 2>&1 || :; done
check 'the other goes on' sg_turs "$two"

check 'registration that persists' reserve_out --register-ignore --param-aptpl --param-sark=0xc "$one"
check 'and reserves' reserve_out --reserve --param-rk=0xc --prout-type=3 "$one"
check_equal 'one record' "$(find "$records" -name '*.pr' | wc -l)" 1
check_equal 'for root alone' "$(find "$records" -name '*.pr' -perm 600 | wc -l)" 1
check 'logout' iscsiadm -m node -u
check 'unload' sh -c 'rmmod blocks_driver && rmmod chiscsi'
check 'load again' load_both
log_in_both || give_up 'both log in again' "$(dmesg | tail -n 20)"
check_says 'the key is there' '0xc' reserve_in --read-keys "$two"
check_says 'and keeps the second away' '[Rr]eservation [Cc]onflict' read_from "$two"
# open-iscsi logs in with another ISID each time, so the first is a new nexus as well.
check 'the first registers anew' reserve_out --register-ignore --param-aptpl --param-sark=0xd "$one"
check 'and preempts its old self' \
	reserve_out --preempt --param-rk=0xd --param-sark=0xc --prout-type=3 "$one"
check 'and writes' write_to "$one"
check 'the record goes with the last key' \
	reserve_out --register --param-aptpl --param-rk=0xd --param-sark=0 "$one"
check_equal 'no record' "$(find "$records" -name '*.pr' | wc -l)" 0

check_says 'port groups' 'target port group id : 0x1' sg_rtpg "$one"
check_says 'explicit and implicit' 'TPGS=3' sg_inq "$one"
check 'standby' sg_stpg --tp=1 --state=s "$one"
check_says 'the second hears of it' 'Asymmetric access state changed' \
	sg_raw -v "$two" 00 00 00 00 00 00
check_says 'no reading in standby' 'standby' read_from "$two"
check 'reservations in standby' reserve_in --read-keys "$two"
check 'optimized again' sg_stpg --tp=1 --state=ao "$two"
sg_raw "$one" 00 00 00 00 00 00 >/dev/null 2>&1 || :
check 'reads again' read_from "$one"

check 'the last logout' iscsiadm -m node -u
iscsiadm -m node -o delete >/dev/null 2>&1 || :
check 'unload at the end' rmmod blocks_driver
stop_initiator
check 'the target unloads' rmmod chiscsi
check_klog 'nothing bad in the log'
finish
