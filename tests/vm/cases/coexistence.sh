#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# coexistence.sh - our target beside the kernel's own and, where it is
# installed, tgt: on one host, at the same time.
#
# Runs in the test machine.  Each serves a disk to the same initiator; ours comes
# and goes while the others carry data, and the other way round.  Nothing that
# they register may collide, and no data may end up on the wrong disk.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

LIO_IQN=iqn.2026-11.test.chiscsi:lio
LIO_PORTAL=127.0.0.1:3261
TGT_IQN=iqn.2026-11.test.chiscsi:tgt
TGT_PORTAL=127.0.0.1:3262

# peer NAME FUNCTION [ARGUMENT...]: a target function of another target.
peer()
(
	# shellcheck source=/dev/null
	. "$GUEST_LIB/target_$1.sh"
	# target_tgt.sh remembers the daemon's number in a variable.
	# shellcheck disable=SC2034
	tgtd_pid=$(pidof tgtd || :)
	"${@:2}"
)

# session IQN PORTAL LUN: discovery, login, and the disk's name on success.
session()
{
	discover_quietly "$2" >&2 && login "$1" "$2" >/run/login.out 2>&1 && disk_of "$1" "$3"
}

# mark DISK TEXT / is_marked DISK TEXT: what tells the disks apart.
mark()
{
	printf '%-4096s' "$2" | dd of="$1" bs=4k oflag=direct conv=fsync 2>/dev/null
}

is_marked()
{
	dd if="$1" bs=4k count=1 iflag=direct 2>/dev/null | grep -q "^$2 *$"
}

# busy DISK COMMAND...: data is verified on the disk while the command runs.
busy()
{
	local disk=$1 job
	fio --name=busy --filename="$disk" --direct=1 --ioengine=libaio --iodepth=8 --bs=16k \
		--rw=randrw --offset=8m --size=16m --io_size=4m --verify=crc32c --verify_fatal=1 \
		--eta=never >/run/busy.out 2>&1 &
	job=$!
	"${@:2}" || { wait "$job" || :; return 1; }
	wait "$job" || { cat /run/busy.out; return 1; }
}

ours_returns()
{
	logout "$IQN" "$PORTAL" >/dev/null && unload_target &&
		load_target && wait_for_port && ours=$(session "$IQN" "$PORTAL" 0)
}

lio_returns()
{
	logout "$LIO_IQN" "$LIO_PORTAL" >/dev/null && peer lio target_unload &&
		peer lio target_load "$LIO_IQN" "PortalGroup=1@$LIO_PORTAL" 64 &&
		wait_for_port 127.0.0.1 3261 && lio=$(session "$LIO_IQN" "$LIO_PORTAL" 0)
}

need_chiscsi
modprobe -n iscsi_target_mod >/dev/null 2>&1 || skip_case 'this kernel has no target of its own'
klog_mark coexistence
check "the kernel's target starts" peer lio target_load "$LIO_IQN" "PortalGroup=1@$LIO_PORTAL" 64
up
check "the kernel's target listens" wait_for_port 127.0.0.1 3261
ours=$(session "$IQN" "$PORTAL" 0) || give_up 'a disk of ours' "$(cat /run/login.out)"
lio=$(session "$LIO_IQN" "$LIO_PORTAL" 0) || give_up "the kernel's disk" "$(cat /run/login.out)"
check 'our disk is written' mark "$ours" ours
check 'theirs is written' mark "$lio" theirs
check 'our disk is ours' is_marked "$ours" ours
check 'theirs is theirs' is_marked "$lio" theirs
if command -v tgtd >/dev/null; then
	mount -t tmpfs tmpfs /tmp
	check 'tgt starts' peer tgt target_load "$TGT_IQN" "PortalGroup=1@$TGT_PORTAL" 64
	third=$(session "$TGT_IQN" "$TGT_PORTAL" 1) || give_up "tgt's disk" "$(cat /run/login.out)"
	check "tgt's disk is written" mark "$third" third
	check 'data on two, ours is written' busy "$third" mark "$ours" ours
	check "tgt's disk is its own" is_marked "$third" third
	check "tgt's session ends" logout "$TGT_IQN" "$TGT_PORTAL"
	check 'tgt stops' peer tgt target_unload
	umount /tmp
fi
check 'ours is unloaded and loaded beside data on theirs' busy "$lio" ours_returns
check 'theirs is theirs still' is_marked "$lio" theirs
check 'theirs goes and comes beside data on ours' busy "$ours" lio_returns
check 'both carry data at once' busy "$ours" busy "$lio" true
check "the kernel's session ends" logout "$LIO_IQN" "$LIO_PORTAL"
check "the kernel's target stops" peer lio target_unload
check 'ours is served still' busy "$ours" true
down
check_klog 'the kernel log is clean'
finish
