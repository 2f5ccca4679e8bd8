#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# two_initiators.sh - two initiator names with a session each on one target.
#
# Runs in the test machine; open-iscsi's interface records carry the second
# name.  What one initiator writes the other must read, sessions must be told
# apart, a reset or a MODE SELECT by one is told to the other, and the end of
# one must not touch the other.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

add_interface()
{
	iscsiadm -m iface -I "$1" -o new &&
		iscsiadm -m iface -I "$1" -o update -n iface.transport_name -v tcp &&
		iscsiadm -m iface -I "$1" -o update -n iface.initiatorname -v "$INITIATOR.$1"
}

discover_both()
{
	iscsiadm -m discovery -t sendtargets -p "$PORTAL" -I first -I second
}

# Writes through one disk and reads through the other, past both caches.
crossing()
{
	head -c 262144 /dev/urandom >/run/pattern
	dd if=/run/pattern of="$1" bs=64k seek=16 oflag=direct conv=fsync 2>/dev/null &&
		dd if="$2" bs=64k skip=16 count=4 iflag=direct 2>/dev/null | cmp - /run/pattern
}

# Both write at once, each to its own half; no byte may stray.
together()
{
	fio --direct=1 --ioengine=libaio --iodepth=8 --bs=16k --size=4m --rw=randwrite \
		--verify=crc32c --verify_fatal=1 --eta=never \
		--name=one --filename="$one" --offset=0 \
		--name=two --filename="$two" --offset=32m
}

# Software write protect of the whole unit, MODE SELECT(6): `08` on, `00` off.
protect()
{
	printf "\\0\\0\\0\\0\\x0a\\x0a\\0\\x10\\x$2\\0\\0\\0\\xff\\xff\\0\\0" >/run/mode_list
	sg_raw -s 16 -i /run/mode_list "$(sg_of "$1")" 15 10 00 00 10 00
}

write_block()
{
	sg_raw -v -s 512 -i /dev/zero "$(sg_of "$1")" 2a 00 00 00 00 00 00 00 01 00
}

up
check 'interface records' add_interface first
check 'interface records, second' add_interface second
check 'discovery for both' discover_both
check 'the first logs in' login "$IQN" "$PORTAL" first
check 'the second logs in' login "$IQN" "$PORTAL" second
check_equal 'two sessions' "$(session_count)" 2
one=$(disk_of "$IQN" "$(lun 0)" first) || give_up 'the disk of the first' ''
two=$(disk_of "$IQN" "$(lun 0)" second) || give_up 'the disk of the second' ''
check_says 'the names differ' "$INITIATOR.first" cat "$(session_dirs "$IQN" first)/initiatorname"
check 'the second reads what the first wrote' crossing "$one" "$two"
check 'the first reads what the second wrote' crossing "$two" "$one"
check 'both write at once' together
check 'the first resets the unit' sg_reset --device --no-escalate "$(sg_of "$one")"
check_says 'the second hears of the reset, once' 'Bus device reset function occurred' \
	sg_raw -v "$(sg_of "$two")" 00 00 00 00 00 00
check 'the second goes on' sg_turs "$(sg_of "$two")"
check 'both write at once after the reset' together
check 'the first protects the unit' protect "$one" 08
check_says 'the second hears of it, once' 'Mode parameters changed' \
	sg_raw -v "$(sg_of "$two")" 00 00 00 00 00 00
check_says 'the second is shown that it is protected' 'WP=1' sg_modes -6 "$(sg_of "$two")"
check_says 'the second cannot write' 'Logical unit software write protected' write_block "$two"
check 'the second still reads' dd if="$two" of=/dev/null bs=64k count=8 iflag=direct
check 'the first unprotects it' protect "$one" 00
check_says 'the second hears of that' 'Mode parameters changed' \
	sg_raw -v "$(sg_of "$two")" 00 00 00 00 00 00
check 'both write at once after that' together
check 'the first logs out' logout "$IQN" "$PORTAL" first
check 'the second still works' dd if="$two" of=/dev/null bs=64k count=8 iflag=direct
check 'the second logs out' logout "$IQN" "$PORTAL" second
iscsiadm -m node -o delete >/dev/null 2>&1 || :
check 'interface records are removed' sh -c \
	'iscsiadm -m iface -I first -o delete && iscsiadm -m iface -I second -o delete'
down
finish
