# SPDX-License-Identifier: GPL-2.0-only
#
# target_chiscsi.sh - loads the target under test: chiscsi.ko and the sample
# storage driver ifacedriver.ko.
#
# Sourced by guest.sh in the test machine.  The functions have the same names
# and arguments in target_lio.sh and target_tgt.sh, so that one case can be run
# against each.  CHISCSI_ARGS holds parameters for chiscsi.ko itself.

# lun NUMBER: the LUN at which the NUMBERth volume appears.
lun()
{
	printf '%s\n' "$1"
}

# target_load NAME PORTAL SIZES [KEY=VALUE...]
target_load()
{
	local name=$1 portal=$2 sizes=$3
	shift 3
	engine_load && insmod /modules/ifacedriver.ko "target_name=$name" \
		"portal=$portal" "lun_sizes_mb=$sizes" "$@"
}

# engine_load: chiscsi.ko alone, with the kernel modules it needs.
engine_load()
{
	[ -f /modules/chiscsi.ko ] || { echo 'there is no chiscsi.ko in /modules'; return 1; }
	[ ! -d /sys/module/chiscsi ] || return 0
	load_needs /modules/chiscsi.ko
	# shellcheck disable=SC2086 # Several words are meant.
	insmod /modules/chiscsi.ko ${CHISCSI_ARGS-}
}

# insmod does not follow dependencies on the kernel's own modules.
load_needs()
{
	local needs
	# Modules of ours are loaded by insmod and are not in the module tree.
	needs=$(modinfo -F depends "$1" | tr ',' '\n' | grep -v '^chiscsi' | tr '\n' ' ' || :)
	# shellcheck disable=SC2086 # Several words are meant.
	[ -z "$needs" ] || modprobe -a $needs
}

target_unload()
{
	local module
	for module in ifacedriver chiscsi_conformance chiscsi_cxgb4_sim chiscsi_cxgb4 chiscsi; do
		[ ! -d "/sys/module/$module" ] || rmmod "$module" || return 1
	done
}
