#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# variants.sh - the sample driver's other ways of handling data.
#
# Runs in the test machine.  Each way (4096-byte blocks, data in phases, small
# pieces of memory, commands in the target's threads, negotiated keys that force
# R2Ts) takes another path through the target; fio verifies data on each.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

verify()
{
	fio --name=variant --filename="$disk" --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randwrite --bssplit=4k/50:64k/30:512k/20 --size=16m --verify=crc32c \
		--verify_fatal=1 --eta=never --output-format=terse
}

# variant NAME PARAMETER=VALUE...
variant()
{
	local name=$1
	shift
	up "$@"
	attach
	check "$name" verify
	logout >/dev/null
	down
}

need_chiscsi
need_sample block_size phase_kb chunk_kb inline_exec keys
variant '4096-byte blocks' block_size=4096
variant 'data in phases of 64 KB' phase_kb=64
variant 'pieces of 4 KB' chunk_kb=4
variant 'phases of 16 KB in pieces of 4 KB' phase_kb=16 chunk_kb=4
variant 'commands in the target threads' inline_exec=1
variant 'no immediate and no unsolicited data' 'keys=InitialR2T=Yes;ImmediateData=No'
variant 'small bursts' 'keys=FirstBurstLength=4096;MaxBurstLength=16384;MaxOutstandingR2T=4'
# The initiator offers no digests by itself: without an offer this login has to fail.
up 'keys=HeaderDigest=CRC32C;DataDigest=CRC32C'
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
check_fails 'digests demanded, none offered: no login' login
set_digests CRC32C || give_up 'digests can be set'
attach_known
check 'digests that the target demands' verify
logout >/dev/null
down
finish
