#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# conformance_load.sh - many commands at once under a driver that reorders them.
#
# Runs in the test machine.  fio's verified load and libiscsi's tests, where they are
# installed, over memory of every kind, in phases, with commands that are answered
# out of order, from elsewhere and twice; then a class without phases.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/conformance.sh
. "$GUEST_LIB/conformance.sh"

verify()
{
	fio --name=v --filename="$disk" --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
		--verify=crc32c --verify_fatal=1 --verify_dump=0 --eta=never --size=2m \
		--bssplit=512/20:4k/30:20k/20:64k/20:256k/10 --bs_unaligned=0 --blockalign=512
}

load()
{
	script 'buffer mixed' 'run softirq' 'delay 1' 'twice 1' 'wrong_calls 1'
	check 'a mixed load, every command ended twice' verify
	script 'buffer odd' 'reorder 8' 'phase 16384' 'ahead 1'
	check 'a mixed load, eight commands backwards' verify
	script 'buffer page' 'run cpu' 'phase 65536'
	check 'a mixed load, phases from another CPU' verify
}

# Outside tests, where they are installed.
outside()
{
	if command -v iscsi-test-cu >/dev/null; then
		script 'buffer odd' 'phase 30000' 'ahead 1' 'run thread'
		check 'libiscsi: residuals' iscsi_test 'ALL.iSCSIResiduals'
		check 'libiscsi: READ(10), WRITE(10)' iscsi_test 'ALL.Read10' 'ALL.Write10'
	else
		skip 'libiscsi' 'iscsi-test-cu is not installed'
	fi
}

iscsi_test()
{
	local test
	for test in "$@"; do
		iscsi-test-cu --dataloss --test="$test" "iscsi://$PORTAL/$IQN/0" >/run/cu.out 2>&1 || :
		cat /run/cu.out
		grep -qE '^ *asserts +[0-9]+ +[0-9]+ +[0-9]+ +0 ' /run/cu.out || return 1
	done
}

no_phases()
{
	script 'buffer odd' 'wrong_calls 1' 'twice 1'
	head -c 256000 /dev/urandom >/run/out.data
	check 'a class without phases: a write' sg_write 500 /run/out.data
	check 'a class without phases: a read' sg_read 500 /run/in.data
	check 'a class without phases: the data' cmp /run/out.data /run/in.data
}

conf_up
conf_attach
load
outside
kept taken hook-overlap read-only xfer-order xfer-guard after-return cleanup-once refuse-double \
	refuse-list refuse-stale
conf_down
conf_up multi_phase=0
conf_attach
no_phases
kept taken refuse-list refuse-double
conf_down
finish
