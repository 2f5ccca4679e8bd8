#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# offload_sim_load.sh - the software adapter comes, is seen by the offload, and goes.
#
# Runs in the test machine, without a connection.  Parameters that make no sense are refused
# with one line, files in debugfs show what it has seen and take faults by name, and modules
# leave in the right order only.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

module=/modules/chiscsi_cxgb4_sim.ko
folder=/sys/kernel/debug/chiscsi_cxgb4_sim
counters=/sys/kernel/debug/chiscsi_cxgb4/counters

sim_load()
{
	insmod "$module" "$@"
}

write()
{
	printf '%s\n' "$2" >"$folder/$1"
}

# refuse PARAMETER VALUE
refuse()
{
	klog_mark "$1"
	check_fails "$1=$2 is refused" sim_load "$1=$2"
	check_says "$1=$2: a line says why" "chiscsi_cxgb4_sim: $1: " klog_since
}

many_loads()
{
	local round
	for round in $(seq 10); do
		sim_load "chip=$((5 + round % 2))" || { echo "load $round"; return 1; }
		grep -q '^adapters=1$' $counters || { echo "no adapter in round $round"; return 1; }
		rmmod chiscsi_cxgb4_sim || { echo "unload $round"; return 1; }
	done
}

need_chiscsi
[ -f "$module" ] || skip_case 'there is no chiscsi_cxgb4_sim.ko (make test-modules)'
klog_mark offload_sim_load
check 'chiscsi.ko loads' engine_load
load_needs /modules/chiscsi_cxgb4.ko
check 'the offload loads' insmod /modules/chiscsi_cxgb4.ko
load_needs "$module"
refuse chip 7
refuse acks 3
refuse queues 99
refuse addresses somewhere
check 'the adapter loads' sim_load addresses=127.0.0.1,::1
check_says 'the offload has it' '^adapters=1$' cat $counters
check_says 'it shows what it has seen' '^connections=0$' cat $folder/stats
check_equal 'no rule was broken' "$(grep -vc '=0$' $folder/violations || :)" 0
check 'it takes a fault' write fault lost_ack
check 'it takes several' write fault 'no_pods 3'
check_fails 'but none that it does not know' write fault nonsense
check_fails 'and a number that is one' write fault 'no_pods many'
check 'it goes down' write state down
check 'and up' write state up
check_fails 'but not anywhere else' write state sideways
check_fails 'the offload stays while it is there' rmmod chiscsi_cxgb4
check_fails 'the target stays while the offload is there' rmmod chiscsi
check 'it is taken away' write state detach
check_says 'the offload has no adapter' '^adapters=0$' cat $counters
check 'the adapter unloads' rmmod chiscsi_cxgb4_sim
check 'ten loads and unloads' many_loads
check 'the offload unloads' rmmod chiscsi_cxgb4
check 'chiscsi.ko unloads' rmmod chiscsi
check_klog 'the kernel log is clean'
finish
