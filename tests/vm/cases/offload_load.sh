#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# offload_load.sh - the offload module beside the kernel's own drivers, without an adapter.
#
# Runs in the test machine.  chiscsi_cxgb4.ko registers with Debian's cxgb4 and leaves it as
# it was; it and the kernel's own target driver for these adapters, cxgbit, refuse each other,
# whichever comes first, and the rules of modprobe.d say so before the kernel has to.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

module=/modules/chiscsi_cxgb4.ko
folder=/sys/kernel/debug/chiscsi_cxgb4
rules=/etc/modprobe.d/chiscsi.conf

offload_load()
{
	insmod "$module"
}

offload_unload()
{
	rmmod chiscsi_cxgb4
}

# users MODULE: how many others use it.
users()
{
	awk -v name="$1" '$1 == name { print $3 }' /proc/modules
}

uses()
{
	awk -v name="$1" '$1 == name { print $4 }' /proc/modules | grep -q "\<$2\>"
}

is_loaded()
{
	[ -d "/sys/module/$1" ]
}

says_in_log()
{
	check_says "$1" "$2" klog_since
}

install_rules()
{
	mkdir -p "${rules%/*}"
	cp /usr/sbin/chiscsi-modprobe.conf "$rules"
}

many_loads()
{
	local round
	for round in $(seq 10); do
		offload_load || { echo "load $round"; return 1; }
		offload_unload || { echo "unload $round"; return 1; }
	done
}

need_chiscsi
[ -f "$module" ] || skip_case 'there is no chiscsi_cxgb4.ko'
modinfo -F depends "$module" | grep -q cxgb4 || skip_case 'it was built without the headers of cxgb4'
modprobe -n cxgb4 >/dev/null 2>&1 || skip_case 'this kernel has no cxgb4'
klog_mark offload_load

check 'chiscsi.ko loads' engine_load
check 'the modules it needs' load_needs "$module"
before=$(users cxgb4)
check 'it loads' offload_load
check 'it uses cxgb4' uses cxgb4 chiscsi_cxgb4
check 'it uses libcxgb' uses libcxgb chiscsi_cxgb4
check_says 'the counters' '^conns_offloaded=0$' cat $folder/counters
check_equal 'nothing has happened' "$(grep -vc '=0$' $folder/counters || :)" 0
check_equal 'only root may read them' "$(stat -c '%a %U' $folder/counters)" '400 root'
exec 5<$folder/counters
check_fails 'an open file holds the module' offload_unload
exec 5<&-

klog_mark offload_load
check_fails 'cxgbit is refused' modprobe cxgbit
check_equal 'cxgbit is not there' "$(lsmod | grep -c '^cxgbit' || :)" 0
says_in_log 'the log says why' 'chiscsi_cxgb4: cxgbit is refused: .* and that is chiscsi_cxgb4'
install_rules
check_says 'the rules say it, too' 'chiscsi_cxgb4 is loaded, unload it first' modprobe cxgbit
rm $rules
check 'it unloads' offload_unload
check_fails 'its folder is gone' test -e $folder
check_equal 'cxgb4 is as it was' "$(users cxgb4)" "$before"
check 'ten loads and unloads' many_loads

klog_mark offload_load
check 'cxgbit loads when ours is gone' modprobe cxgbit
check_fails 'now ours is refused' offload_load
check_fails 'ours is not there' is_loaded chiscsi_cxgb4
says_in_log 'the log says why this time' 'chiscsi_cxgb4: cxgbit is loaded, .*: unload that first'
check_fails 'its folder has not come' test -e $folder
install_rules
check_says 'the rules say that, too' 'cxgbit is loaded, unload it first' modprobe chiscsi_cxgb4
rm $rules
check 'cxgbit unloads' rmmod cxgbit
check 'ours loads again' offload_load
check 'ours unloads' offload_unload
check 'cxgb4 unloads' modprobe -r cxgb4
check 'chiscsi.ko unloads' rmmod chiscsi
check_klog 'the kernel log is clean'
finish
