#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bad_parameters.sh - module parameters that make no sense are refused.
#
# Runs in the test machine.  Each bad value must make insmod fail, leave no
# module behind and put exactly one line of ours into the kernel log, which
# names the parameter.  A good load must work right after.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

our_lines()
{
	klog_since | grep -aE '(chiscsi|ifacedriver|iface)[^ ]*:' |
		grep -avE 'out-of-tree|module verification|unknown parameter'
}

# one_line NAME PARAMETER: exactly one line, and it names the parameter.
one_line()
{
	local lines
	lines=$(our_lines || :)
	if [ "$(printf '%s\n' "$lines" | grep -c .)" -eq 1 ] && printf '%s' "$lines" | grep -q "$2"; then
		ok "$1: one clear line"
	else
		not_ok "$1: one clear line" "${lines:-there is none}"
	fi
}

# refuse NAME PARAMETER VALUE
refuse()
{
	klog_mark "$1"
	check_fails "$1 is refused" load_target "$2=$3"
	one_line "$1" "$2"
	check_equal "$1: the driver is not left behind" "$(lsmod | grep -c '^ifacedriver' || :)" 0
}

need_chiscsi
engine_load >/run/load.out 2>&1 || give_up 'chiscsi.ko loads' "$(cat /run/load.out)"
refuse 'an empty target name' target_name ''
refuse 'a target name with a blank' target_name '"iqn.2026-01.test:a b"'
refuse 'a target name that is no iSCSI name' target_name 'disk'
refuse 'a portal without a group' portal 'nonsense'
refuse 'a portal with a bad address' portal 'PortalGroup=1@300.1.1.1:3260'
refuse 'a portal with a bad port' portal 'PortalGroup=1@0.0.0.0:99999'
refuse 'a size of zero' lun_sizes_mb 0
refuse 'a negative size' lun_sizes_mb -5
refuse 'a size that is no number' lun_sizes_mb 64,big
refuse 'a size behind a stray comma' lun_sizes_mb 64,,64
refuse 'more memory than the machine has' lun_sizes_mb 99999999
up
ok 'a good load works right after'
down
finish
