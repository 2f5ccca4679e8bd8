#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# two_initiators.sh - two initiator names with a session each on one target.
#
# Runs in the test machine; open-iscsi's interface records carry the second
# name.  What one initiator writes the other must read, sessions must be told
# apart, a reset by one is told to the other, and the end of one must not touch
# the other.

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
# Where udevd runs, it reads a disk that was written to, and would hear of the reset first.
udevadm settle --timeout="$PATIENCE" >/dev/null 2>&1 || :
check 'the first resets the unit' sg_reset --device --no-escalate "$(sg_of "$one")"
check_says 'the second hears of the reset, once' 'Bus device reset function occurred' \
	sg_raw -v "$(sg_of "$two")" 00 00 00 00 00 00
check 'the second goes on' sg_turs "$(sg_of "$two")"
check 'both write at once after the reset' together
check 'the first logs out' logout "$IQN" "$PORTAL" first
check 'the second still works' dd if="$two" of=/dev/null bs=64k count=8 iflag=direct
check 'the second logs out' logout "$IQN" "$PORTAL" second
iscsiadm -m node -o delete >/dev/null 2>&1 || :
check 'interface records are removed' sh -c \
	'iscsiadm -m iface -I first -o delete && iscsiadm -m iface -I second -o delete'
down
finish
