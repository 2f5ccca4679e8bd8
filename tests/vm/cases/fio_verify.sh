#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fio_verify.sh - data verification by fio with and without digests.
#
# Runs in the test machine.  Writes blocks of 4k, 64k and 1M, and a mix of
# sizes and offsets, with queue depth 16, and reads every block back against
# its CRC32C.  Each digest setting is a session of its own, and the session is
# asked which digests it really has.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

# verify NAME FIO-OPTION...
verify()
{
	local name=$1
	shift
	fio --name="$name" --filename="$disk" --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randwrite --verify=crc32c --verify_fatal=1 --verify_dump=0 \
		--randrepeat=1 --eta=never --output-format=terse --terse-version=3 "$@"
}

verify_sizes()
{
	check "$1: 4k blocks" verify 4k --bs=4k --size=4m
	check "$1: 64k blocks" verify 64k --bs=64k --size=32m
	check "$1: 1M blocks" verify 1m --bs=1m --size=48m
	check "$1: mixed sizes" verify mix --bssplit=512/10:4k/30:20k/20:64k/20:256k/10:1m/10 \
		--bs_unaligned=0 --size=32m --blockalign=512
	check "$1: two jobs at once" verify two --bs=16k --size=4m --numjobs=2 --offset_increment=32m
}

# with_digests VALUE: a login with both digests set to it.
with_digests()
{
	local connection
	set_digests "$1" >/run/digests.out 2>&1 || give_up "digests $1 can be set" "$(cat /run/digests.out)"
	check "login with digests $1" login
	disk=$(disk_of "$IQN" "$(lun 0)") || give_up "digests $1: the disk appears" ''
	connection=$(echo /sys/class/iscsi_connection/connection*)
	check_equal "digests $1: header digest" "$(cat "$connection/header_digest")" "$2"
	check_equal "digests $1: data digest" "$(cat "$connection/data_digest")" "$2"
	verify_sizes "digests $1"
	detach
}

up
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
with_digests None 0
with_digests CRC32C 1
down
finish
