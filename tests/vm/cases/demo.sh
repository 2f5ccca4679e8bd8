#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh - the transcript behind `make demo`.
#
# Runs in the test machine: loads the modules, discovers, logs in, makes a file
# system, verifies data with fio, shows what sg3_utils sees, logs out and
# unloads.  Every command is shown before it runs; the first that fails ends
# the demo with its status.  The last line of a good run is `demo: OK`.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

# step COMMAND...: shows a command and runs it.
step()
{
	printf '\n$ %s\n' "$*"
	"$@"
}

title()
{
	printf '\n# %s\n' "$1"
}

load_modules()
{
	if [ "$VM_TARGET" != chiscsi ]; then step load_target; return; fi
	load_needs /modules/chiscsi.ko
	step insmod /modules/chiscsi.ko
	step insmod /modules/ifacedriver.ko "target_name=$IQN" \
		portal=PortalGroup=1@0.0.0.0:3260 lun_sizes_mb=64,64
}

unload_modules()
{
	if [ "$VM_TARGET" != chiscsi ]; then step unload_target; return; fi
	step rmmod ifacedriver
	step rmmod chiscsi
}

use_file_system()
{
	step mkfs.ext4 -q -F "$disk"
	step mount "$disk" /mnt
	step dd if=/dev/urandom of=/mnt/file bs=64k count=64
	step sha256sum /mnt/file
	step df -h /mnt
	step umount /mnt
	step e2fsck -fn "$disk"
}

trap '[ $? -eq 0 ] || echo "demo: FAILED"' EXIT

title "The target: $(uname -sr)"
load_modules
wait_for_port

title 'The initiator: open-iscsi'
start_initiator
step iscsiadm -m discovery -t sendtargets -p "$PORTAL"
step iscsiadm -m node -T "$IQN" -p "$PORTAL" --login
disk=$(disk_of "$IQN" "$(lun 0)")
step iscsiadm -m session
step lsblk -S

title 'A file system'
use_file_system

title 'Data verification'
step fio --name=verify --filename="$disk" --direct=1 --ioengine=libaio --iodepth=16 \
	--rw=randwrite --bs=16k --size=16m --verify=crc32c --verify_fatal=1 \
	--eta=never --output=/run/fio.out
# The whole report is long; these lines say what was moved and that it was good.
grep -E 'err=|READ:|WRITE:' /run/fio.out

title 'What sg3_utils sees'
step sg_inq "$disk"
step sg_luns "$disk"
step sg_readcap -16 "$disk"
step sg_vpd -p di "$disk"

title 'The end'
step iscsiadm -m node -T "$IQN" -p "$PORTAL" --logout
stop_initiator
unload_modules

printf '\ndemo: OK\n'
