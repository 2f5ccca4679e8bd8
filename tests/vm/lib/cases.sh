#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cases.sh - runs several test cases in one machine, for tests/vm/all.
#
# Arguments: names of cases in /tests/cases.  Each runs in a shell of its own
# with a limit; afterwards its part of the kernel log is judged and the machine
# is put back in order.  Lines "case-begin NAME" and "case-end NAME STATUS
# SECONDS" tell the host how far it came.  Status 3: the machine could not be
# put in order, and the remaining cases need a fresh one.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

CASE_LIMIT=${CASE_LIMIT:-800}

# What a case that ended early may have left behind.
tidy()
{
	iscsiadm -m node --logoutall=all || :
	umount -f /mnt || :
	if [ -s /run/iscsid.pid ]; then kill -KILL "$(cat /run/iscsid.pid)" || :; fi
	rm -f /run/iscsid.pid
	iscsiadm -m node -o delete || :
	timeout 60 bash -c '. "$GUEST_LIB/guest.sh"; unload_target' || :
} >/dev/null 2>&1

# The initiators that a case has made up; each would log in once more in every later case.
forget_interfaces()
{
	local name
	iscsiadm -m iface 2>/dev/null | cut -d' ' -f1 | while read -r name; do
		case $name in default | iser) ;; *) iscsiadm -m iface -I "$name" -o delete || : ;; esac
	done
} >/dev/null 2>&1

# Nothing of a session or a target is left.
in_order()
{
	[ -z "$(ls -d /sys/class/iscsi_session/session* 2>/dev/null)" ] &&
		! lsmod | grep -qE '^(chiscsi|ifacedriver)' && ! port_open 127.0.0.1 3260
}

run_case()
{
	local name=$1 status=0 begin
	begin=$(uptime_s)
	printf '== %s\ncase-begin %s\n' "$name" "$name"
	klog_mark "case $name"
	rm -f /run/case.finished
	CASE=$name timeout -k 5 "$CASE_LIMIT" bash "/tests/cases/$name.sh" 2>&1 || status=$?
	case $status in
	0) ;;
	# A failed check, which was said, or a command in between, which was not.
	1) [ -e /run/case.finished ] || not_ok "$name runs to its end (status 1)" ;;
	124 | 137) not_ok "$name ends within $CASE_LIMIT s" ;;
	*) not_ok "$name runs to its end (status $status)" ;;
	esac
	check_klog "$name leaves the kernel log clean"
	printf 'case-end %s %s %s\n' "$name" "$status" "$(($(uptime_s) - begin))"
}

for name in "$@"; do
	run_case "$name"
	forget_interfaces
	in_order && continue
	tidy
	in_order || exit 3
done
