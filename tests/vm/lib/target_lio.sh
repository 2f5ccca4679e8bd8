# SPDX-License-Identifier: GPL-2.0-only
#
# target_lio.sh - the kernel's own target (LIO), set up by hand in configfs
# with RAM disks, for comparison and to test this harness itself.
#
# Sourced by guest.sh in the test machine; same functions as
# target_chiscsi.sh.  Parameters that only our sample driver has are ignored.
# With NULL_DISKS=yes the disks drop writes.

LIO=/sys/kernel/config/target

lun()
{
	printf '%s\n' "$1"
}

# target_load NAME PORTAL SIZES [ignored...]
target_load()
{
	local tpg="$LIO/iscsi/$1/tpgt_1" index=0 size
	modprobe -a configfs target_core_mod iscsi_target_mod
	grep -q ' /sys/kernel/config ' /proc/mounts || mount -t configfs configfs /sys/kernel/config
	mkdir -p "$LIO/iscsi" && mkdir -p "$tpg"
	lio_portals "$tpg" "$2"
	for size in ${3//,/ }; do
		lio_lun "$tpg" "$index" "$size"
		index=$((index + 1))
	done
	lio_open "$tpg"
}

# lio_lun TPG INDEX SIZE_MB
lio_lun()
{
	local disk="$LIO/core/rd_mcp_0/vm$2"
	mkdir -p "$disk"
	echo "rd_pages=$(($3 * 256)),rd_nullio=$([ "${NULL_DISKS-}" = yes ] && echo 1 || echo 0)" >"$disk/control"
	echo "vm-serial-$2" >"$disk/wwn/vpd_unit_serial"
	echo 1 >"$disk/enable"
	mkdir "$1/lun/lun_$2"
	ln -s "$disk" "$1/lun/lun_$2/vm$2"
}

# lio_portals TPG 'PortalGroup=1@ADDRESS:PORT,...': LIO binds the IPv6 wildcard
# for both families, so the loop-back address stands for it.
lio_portals()
{
	local list=${2#*@} portal
	for portal in ${list//,/ }; do
		mkdir "$1/np/${portal/\[::\]/[::1]}"
	done
}

lio_open()
{
	echo 0 >"$1/attrib/authentication"
	echo 1 >"$1/attrib/generate_node_acls"
	echo 0 >"$1/attrib/demo_mode_write_protect"
	echo 1 >"$1/attrib/cache_dynamic_acls"
	echo 1 >"$1/enable"
}

target_unload()
{
	local tpg lun
	for tpg in "$LIO"/iscsi/iqn*/tpgt_*; do
		[ -d "$tpg" ] || continue
		echo 0 >"$tpg/enable"
		for lun in "$tpg"/lun/lun_*; do
			rm -f "$lun"/vm*
			rmdir "$lun"
		done
		rmdir "$tpg"/np/* "$tpg" "${tpg%/*}"
	done
	lio_remove_disks
}

# The modules stay: in 6.1 the removal of iscsi_target_mod races with its own
# threads and takes the machine down.
lio_remove_disks()
{
	[ ! -d "$LIO/core/rd_mcp_0" ] || rmdir "$LIO"/core/rd_mcp_0/vm* "$LIO/core/rd_mcp_0"
	[ ! -d "$LIO/iscsi" ] || rmdir "$LIO/iscsi"
}
