# SPDX-License-Identifier: GPL-2.0-only
#
# side_by_side.sh - several targets in one machine, each on a port of its own, with a RAM disk.
#
# Sourced by the guests of tests/bench after guest.sh.
# shellcheck shell=bash

SIZE_MB=64
declare -A ports=([chiscsi]=3260 [lio]=3261 [tgt]=3262)

# with_target NAME FUNCTION [ARGUMENT...]: that target's version of a function.
with_target()
(
	# shellcheck source=/dev/null
	. "$GUEST_LIB/target_$1.sh"
	# target_tgt.sh remembers the daemon's number in a variable.
	# shellcheck disable=SC2034
	tgtd_pid=$(pidof tgtd || :)
	shift
	"$@"
)

iqn_of()
{
	printf 'iqn.2026-01.test.chiscsi:%s\n' "$1"
}

# Our own target as an administrator makes it, with a RAM disk of a built-in class.
load_chiscsi()
{
	local conf=/run/side_by_side.conf
	printf 'target:\n\tTargetName=%s\n\tPortalGroup=1@0.0.0.0:%s\n\tTargetDevice=one,MEM,size=%sMB\n' \
		"$(iqn_of chiscsi)" "${ports[chiscsi]}" "$SIZE_MB" >"$conf"
	chmod 600 "$conf"
	with_target chiscsi engine_load && iscsictl -S "target=$(iqn_of chiscsi)" -f "$conf"
}

load_one()
{
	case $1 in
	chiscsi) load_chiscsi ;;
	*) with_target "$1" target_load "$(iqn_of "$1")" "PortalGroup=1@0.0.0.0:${ports[$1]}" "$SIZE_MB" ;;
	esac
	wait_for_port 127.0.0.1 "${ports[$1]}"
	# A file with holes would grow while it is measured.
	if [ "$1" = tgt ]; then dd if=/dev/zero of=/tmp/tgt.1 bs=1M count="$SIZE_MB" conv=notrunc status=none; fi
}

unload_one()
{
	case $1 in
	chiscsi) iscsictl -s "target=$(iqn_of chiscsi)" && rmmod chiscsi ;;
	*) with_target "$1" target_unload ;;
	esac
}
