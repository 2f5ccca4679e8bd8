#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# cinder.sh - the four calls of OpenStack Cinder's cxt driver, end to end.
#
# Runs in the test machine.  A volume comes and goes as the driver does it: its
# file has deep indentation and a last line of blanks, the number of the target is
# taken from the listing by the driver's rule, and two removals at once are fine.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark cinder

prefix=iqn.2010-10.org.openstack
conf=/run/chiscsi.conf
echo '#' >$conf

# volume_file NAME PORT: as the driver writes it.
volume_file()
{
	dd if=/dev/zero of="/run/$1.img" bs=1M count=8 status=none
	printf '\n              target:\n%23sTargetName=%s\n%23sTargetDevice=%s\n%23sPortalGroup=1@127.0.0.1:%s\n%23sAuthMethod=CHAP\n%23sAuth_CHAP_Policy=Oneway\n%23sAuth_CHAP_Initiator="%s":"%s"\n               ' \
		'' "$prefix:$1" '' "/run/$1.img" '' "$2" '' '' '' user 12345678901234567890 >"/run/$1"
}

# The first line with the name in it; its third word without `id=` and the comma.
target_id()
{
	iscsictl -c target=ALL | grep -F "$prefix:$1" | head -n 1 |
		awk '{ sub(/^id=/, "", $3); sub(/,$/, "", $3); print $3 }'
}

create() { iscsictl -S "target=$prefix:$1" -f "/run/$1" -x $conf; }
remove() { iscsictl -s "target=$prefix:$1"; }

check 'the listing succeeds before there is a target' iscsictl -c target=ALL
check_equal 'and has no number' "$(target_id volume-1)" ''
engine_load
volume_file volume-10 3270
volume_file volume-1 3271
check 'a volume is created' create volume-10
check 'a second one, whose name is the beginning of the first' create volume-1
ten=$(target_id volume-10) one=$(target_id volume-1)
check_says 'the first has a number' '^[1-9][0-9]*$' echo "$ten"
check_says 'the second has a number' '^[1-9][0-9]*$' echo "$one"
check_fails 'they differ' [ "$ten" = "$one" ]
check 'creating it again is a reload' create volume-1
check_equal 'and keeps the number' "$(target_id volume-1)" "$one"
check 'the volume is shown' iscsictl -c "target=$prefix:volume-1"
check_says 'an unknown one is NOT found' 'NOT found' sh -c "! iscsictl -c target=$prefix:none"

# One of the two says that it is not found, and neither anything else.
remove volume-10 2>/run/remove.1 &
first=$!
second_status=0 first_status=0
remove volume-10 2>/run/remove.2 || second_status=$?
wait $first || first_status=$?
check_equal 'of two removals at once one succeeds' "$((first_status + second_status))" 1
check_says 'and the other one finds nothing' 'is not found' cat /run/remove.1 /run/remove.2
check_equal 'the volume is gone' "$(target_id volume-10)" ''
check_equal 'the other one is not' "$(target_id volume-1)" "$one"
check 'it goes, too' remove volume-1
check_says 'removing it again: is not found' 'is not found' sh -c "! iscsictl -s target=$prefix:volume-1 2>&1"
check 'the module can go' unload_target
check_klog 'the kernel log is clean' cinder
finish
