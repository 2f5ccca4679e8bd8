#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# target_offload.sh - the target of target_chiscsi.sh behind a software adapter.
#
# Sourced by guest.sh in the test machine, so that the cases for the host's sockets run
# over the offload transport as they are.  OFFLOAD_SIM holds parameters for
# chiscsi_cxgb4_sim.ko beside its addresses.  Before anything is unloaded the adapter is
# taken away, and has to say that no rule was broken and nothing is left of any kind.

# shellcheck source=tests/vm/lib/target_chiscsi.sh
. "$GUEST_LIB/target_chiscsi.sh"

OFFLOAD_COUNTERS=/sys/kernel/debug/chiscsi_cxgb4/counters
OFFLOAD_FOLDER=/sys/kernel/debug/chiscsi_cxgb4_sim
OFFLOAD_VIOLATIONS=$OFFLOAD_FOLDER/violations
# What is in use, of the adapter's own lists; a target's end takes some of it along.
OFFLOAD_IN_USE='buffers tids stids l2t clip pods pods_valid mapped pages credits'
# A line per unloading of a target: what was left and which rules were broken, or nothing.
OFFLOAD_LEFT=/run/offload.left
# The peer's part of an end may take ten seconds.
OFFLOAD_PATIENCE=30

# offload_attach: an adapter comes.
offload_attach()
{
	# shellcheck disable=SC2086 # Several words are meant.
	insmod /modules/chiscsi_cxgb4_sim.ko addresses=0.0.0.0,:: ${OFFLOAD_SIM-}
}

offload_load()
{
	engine_load || return 1
	load_needs /modules/chiscsi_cxgb4.ko
	load_needs /modules/chiscsi_cxgb4_sim.ko
	[ -d /sys/module/chiscsi_cxgb4 ] || insmod /modules/chiscsi_cxgb4.ko || return 1
	[ -d /sys/module/chiscsi_cxgb4_sim ] || offload_attach
}

target_load()
{
	local name=$1 portal=$2 sizes=$3
	shift 3
	offload_load && insmod /modules/ifacedriver.ko "target_name=$name" \
		"portal=$portal" "lun_sizes_mb=$sizes" "$@"
}

# offload_count NAME: one of the transport's counters.
offload_count()
{
	sed -n "s/^$1=//p" "$OFFLOAD_COUNTERS"
}

# offload_stat NAME: one of the adapter's.
offload_stat()
{
	sed -n "s/^$1=//p" "$OFFLOAD_FOLDER/stats"
}

# offload_in_use [BUT...]: NAME=COUNT of each kind that is not zero.
offload_in_use()
{
	local name count
	for name in $OFFLOAD_IN_USE; do
		case " $* " in *" $name "*) continue ;; esac
		count=$(offload_stat "$name")
		[ "$count" = 0 ] || printf '%s=%s\n' "$name" "$count"
	done
	count=$(offload_count connections)
	[ "$count" = 0 ] || printf 'connections=%s\n' "$count"
}

offload_is_idle()
{
	[ -z "$(offload_in_use "$@")" ]
}

# What the adapter has to complain of; OFFLOAD_EXCUSED is one more rule that a fault breaks.
# The sample driver sends from the pages of its RAM disk, so a write that overlaps a read, as of
# udev's probing, changes what is being sent; the initiator has asked for that.
offload_verdict()
{
	! grep -v -e '=0$' -e '^payload_changed=' -e "^${OFFLOAD_EXCUSED:-payload_changed}=" \
		"$OFFLOAD_VIOLATIONS"
}

# offload_detach: the adapter is taken away, and its module goes; nothing may be left of it.
offload_detach()
{
	printf 'detach\n' >"$OFFLOAD_FOLDER/state"
	{ offload_in_use; offload_verdict || :; } | tr '\n' ' ' >/run/offload.now
	printf 'left: %s\n' "$(cat /run/offload.now)" >>"$OFFLOAD_LEFT"
	rmmod chiscsi_cxgb4_sim || return 1
	[ ! -s /run/offload.now ] || { cat "$OFFLOAD_LEFT"; return 1; }
}

# First without a target, then without an adapter; servers are none of the second's business.
target_unload()
{
	local module
	if [ -d /sys/module/ifacedriver ]; then rmmod ifacedriver || return 1; fi
	if [ -d /sys/module/chiscsi_cxgb4_sim ]; then
		wait_for "$OFFLOAD_PATIENCE" offload_is_idle || :
		sed 's/^/offload /' "$OFFLOAD_COUNTERS" >/run/offload.last
		sed 's/^/adapter /' "$OFFLOAD_FOLDER/stats" >>/run/offload.last
		offload_detach_idle || return 1
	fi
	for module in chiscsi_cxgb4 chiscsi; do
		[ ! -d "/sys/module/$module" ] || rmmod "$module" || return 1
	done
}

# offload_detach_idle: what is in use now is left by a target, not only by the adapter's end.
offload_detach_idle()
{
	local idle
	idle=$(offload_in_use | tr '\n' ' ')
	offload_detach || return 1
	[ -z "$idle" ] || { printf 'left: by the target: %s\n' "$idle" | tee -a "$OFFLOAD_LEFT"; return 1; }
}
