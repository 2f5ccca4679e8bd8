# SPDX-License-Identifier: GPL-2.0-only
#
# target_tgt.sh - the user-space target tgt with files in memory, for
# comparison and benchmarks.
#
# Sourced by guest.sh in the test machine; same functions as
# target_chiscsi.sh.  Its LUN 0 is a controller, so volumes start at 1.
# With NULL_DISKS=yes they drop writes.

tgtd_pid=

lun()
{
	printf '%s\n' "$(($1 + 1))"
}

# target_load NAME PORTAL SIZES [ignored...]
target_load()
{
	local index=1 size portals=${2#*@}
	tgtd -f --iscsi "portal=${portals%%,*}" >/run/tgtd.log 2>&1 &
	tgtd_pid=$!
	wait_for "$PATIENCE" tgtadm --mode system --op show
	tgtadm --lld iscsi --mode target --op new --tid 1 -T "$1"
	for size in ${3//,/ }; do
		truncate -s "${size}M" "/tmp/tgt.$index"
		tgtadm --lld iscsi --mode logicalunit --op new --tid 1 --lun "$index" \
			--bstype "$([ "${NULL_DISKS-}" = yes ] && echo null || echo rdwr)" -b "/tmp/tgt.$index"
		index=$((index + 1))
	done
	tgtadm --lld iscsi --mode target --op bind --tid 1 -I ALL
}

target_unload()
{
	[ -n "$tgtd_pid" ] || return 0
	tgtadm --lld iscsi --mode target --op delete --force --tid 1
	tgtadm --mode system --op delete
	wait "$tgtd_pid" || :
	tgtd_pid=
	rm -f /tmp/tgt.*
}
