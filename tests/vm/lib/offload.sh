#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# offload.sh - runs scenarios of the host's sockets over a software adapter.
#
# Sourced by the cases offload_*.sh after guest.sh, with VM_TARGET=offload.  A transcript
# is what a case has printed of its checks, in /run/transcripts/WHERE/CASE.

TRANSCRIPTS=/run/transcripts
# In each check; the others by hand, for they take twice as long once more.
QUICK_CASES='login ipv6 scsi fio_verify filesystem'
# User-Mode Linux has one processor and looks at every access.
! is_uml || QUICK_CASES='login fio_verify'
LONG_CASES='discovery reinstatement two_initiators chap unload_live variants dead_driver load_unload'
# Without those that set digests themselves.
DIGEST_CASES='login scsi filesystem chap reinstatement two_initiators unload_live dead_driver'

# transcript WHERE TARGET CASE: runs the case there; prints its lines, keeps what was checked.
transcript()
{
	local to=$TRANSCRIPTS/$1/$3 status=0 begin
	begin=$(uptime_s)
	mkdir -p "$TRANSCRIPTS/$1"
	VM_TARGET=$2 bash "/tests/cases/$3.sh" >"$to.all" 2>&1 || status=$?
	{ grep -E '^(ok|not ok|skip) - ' "$to.all" || :; printf 'ended %s\n' "$status"; } >"$to"
	printf '# %s: %s s over %s\n' "$3" $(($(uptime_s) - begin)) "$1"
}

# transcript_over_sockets NAME CASE: what to compare with, of a run of this machine.
transcript_over_sockets()
{
	[ -s "$TRANSCRIPTS/$1/$2" ] || transcript "$1" chiscsi "$2"
}

# again PROFILE SOCKETS CASE...: other cases once more, their results under this one's.  Each has to
# print what it prints over sockets, and to leave nothing in the adapter.  The first two are
# names for the transcripts; without the second one there is nothing to compare with.
again()
{
	local profile=$1 sockets=$2 name line
	shift 2
	for name in "$@"; do
		[ -z "$sockets" ] || transcript_over_sockets "$sockets" "$name"
		: >"$OFFLOAD_LEFT"
		transcript "$profile" offload "$name"
		while read -r line; do
			case $line in
			'ok - '*) ok "$name: ${line#ok - }" ;;
			'not ok - '*) not_ok "$name: ${line#not ok - }" ;;
			'skip - '*) not_ok "$name: ${line#skip - }" ;;
			'ended '*) check_equal "$name ran to its end" "${line#ended }" 0 ;;
			*) printf '%s\n' "$line" ;;
			esac
		done < <(grep -v ' passed, ' "$TRANSCRIPTS/$profile/$name.all"
			tail -n 1 "$TRANSCRIPTS/$profile/$name")
		[ -z "$sockets" ] || check "$name: as over sockets, $(grep -c '^ok' "$TRANSCRIPTS/$profile/$name") checks" \
			diff "$TRANSCRIPTS/$sockets/$name" "$TRANSCRIPTS/$profile/$name"
		check "$name: nothing is left, $(grep -c . "$OFFLOAD_LEFT") times" nothing_left
	done
}

# nothing_left: at least one adapter was looked at when its target was gone, and each was empty.
nothing_left()
{
	cat "$OFFLOAD_LEFT"
	grep -q . "$OFFLOAD_LEFT" && ! grep -vq '^left: $' "$OFFLOAD_LEFT"
}

# moved_by COUNTER COMMAND...: leaves in `moved` by how much a counter has grown.
moved_by()
{
	local counter=$1 before
	shift
	before=$(offload_count "$counter")
	"$@" || return 1
	moved=$(($(offload_count "$counter") - before))
}

write_64k()
{
	dd if=/dev/urandom of=/run/pattern bs=64k count=64 status=none &&
		dd if=/run/pattern of="$disk" bs=64k oflag=direct status=none
}

# read_by SIZE
read_by()
{
	dd if="$disk" of=/run/back bs="$1" count=$((4194304 / $1)) iflag=direct status=none &&
		cmp /run/pattern /run/back
}

# placement_with DIGEST: direct placement and split reads are what happens, not only what is
# possible.
placement_with()
{
	local placed sequences
	set_digests "$1" >/dev/null
	check "digests $1: login that asks for R2Ts" login
	disk=$(disk_of "$IQN" "$(lun 0)") || give_up 'the disk appears' ''
	check "digests $1: writes of 64k" moved_by placed_bytes write_64k
	placed=$moved
	check "digests $1: of 4194304 bytes 95 % are placed" test "$placed" -ge 3984588
	check "digests $1: reads of 64k bring them back" moved_by iso_wrs read_by 65536
	sequences=$moved
	check "digests $1: the adapter cuts each of 64" test "$sequences" -ge 64
	check "digests $1: reads of 256k, too" moved_by iso_pdus read_by 262144
	check "digests $1: into 32 PDUs at least" test "$moved" -ge 32
	check_equal "digests $1: no PDU had to be copied the other way" \
		"$(offload_count not_placed_pdus)" 0
	printf '# digests %s: %s of 4194304 solicited bytes placed; 64 reads of 64k: %s sequences; 16 of 256k: %s PDUs\n' \
		"$1" "$placed" "$sequences" "$moved"
	detach
}

placement()
{
	: >"$OFFLOAD_LEFT"
	up
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	node_set node.session.iscsi.InitialR2T Yes
	node_set node.session.iscsi.ImmediateData No
	placement_with None
	placement_with CRC32C
	check 'the adapter says the same: bytes placed' \
		test "$(offload_stat placed_bytes)" -ge 7969176
	check_equal 'and no PDU was not' "$(offload_stat not_placed)" 0
	down
	check 'nothing is left' nothing_left
}

# offer_digests WHETHER: what the initiator offers by itself in every later login.
offer_digests()
{
	sed -i '/^node.conn\[0\].iscsi.*Digest/d' /etc/iscsi/iscsid.conf
	[ "$1" = no ] || printf 'node.conn[0].iscsi.%sDigest = CRC32C\n' Header Data >>/etc/iscsi/iscsid.conf
}

# profile NAME [CASE...|all]: the body of offload_t5.sh and offload_t6.sh.
profile()
{
	local name=$1 all=no sockets=sockets
	shift
	# There the same cases run over sockets beside this one, and QEMU compares.
	[ $# -gt 0 ] || ! is_uml || sockets=
	[ "$*" != all ] || all=yes
	# shellcheck disable=SC2086 # Several words are meant.
	[ $all = no ] || set -- $QUICK_CASES $LONG_CASES
	# shellcheck disable=SC2086
	[ $# -gt 0 ] || set -- $QUICK_CASES
	placement
	again "$name" "$sockets" "$@"
	[ $all = yes ] || return 0
	offer_digests yes
	# shellcheck disable=SC2086
	again "$name-digests" sockets-digests $DIGEST_CASES
	offer_digests no
}

# --- load, while something happens -------------------------------------------------

LOAD_ENOUGH=/run/load.enough

# load_round SIZE: writes all of it once, at random, then reads it back.
load_round()
{
	fio --name=load --filename="$disk" --direct=1 --ioengine=libaio --iodepth=8 --rw=randwrite \
		--bs=64k --size="$1" --verify=crc32c --verify_fatal=1 --verify_dump=0 --eta=never \
		--output-format=terse
}

# load_rounds SIZE: one after the other until somebody says that it is enough.
load_rounds()
{
	until [ -e "$LOAD_ENOUGH" ]; do load_round "$1" || return 1; done
}

# load_begin [SIZE]: verified writes in the background until load_ends; waits for the first ones.
load_begin()
{
	local before
	before=$(written "$disk")
	rm -f "$LOAD_ENOUGH"
	load_rounds "${1:-8m}" >/run/load.fio 2>&1 &
	load=$!
	wait_for "$PATIENCE" has_written "$disk" $((before + 4))
}

written()
{
	awk '{ print $5 }' "/sys/block/${1##*/}/stat"
}

has_written()
{
	[ "$(written "$1")" -ge "$2" ]
}

load_runs()
{
	kill -0 "$load"
}

# load_ends: the round that is under way is the last; all was written and read back.
load_ends()
{
	: >"$LOAD_ENOUGH"
	wait "$load" || { cat /run/load.fio; return 1; }
}

# --- faults ------------------------------------------------------------------------

# fault NAME [COUNT]: it is to go wrong so often.
fault()
{
	printf '%s\n' "$*" >"$OFFLOAD_FOLDER/fault"
}

# fault_has_happened NAME COUNT: so often since the adapter came.
fault_has_happened()
{
	[ "$(sed -n "s/^$1=//p" "$OFFLOAD_FOLDER/fault")" -ge "$2" ]
}
