# SPDX-License-Identifier: GPL-2.0-only
#
# storage.sh - what the cases of the built-in LUN classes share.
#
# Sourced by them after guest.sh, in the test machine.  The target is started, changed
# and stopped by iscsictl, as an administrator does it.

# shellcheck disable=SC2154 # Variables of guest.sh.

STORAGE_CONF=/run/storage.conf

# storage_devices LINE;LINE...: starts the target with these devices, or reloads it.
storage_devices()
{
	local line
	local lines=()
	IFS=';' read -r -a lines <<<"$1"
	{
		printf 'target:\n\tTargetName=%s\n\tPortalGroup=1@0.0.0.0:3260\n' "$IQN"
		for line in "${lines[@]}"; do printf '\tTargetDevice=%s\n' "$line"; done
	} >"$STORAGE_CONF"
	chmod 600 "$STORAGE_CONF"
	iscsictl -S "target=$IQN" -f "$STORAGE_CONF"
}

# storage_up LINE;LINE...: target, initiator, session; sets $disk to LUN 0.
storage_up()
{
	need_chiscsi
	command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
	klog_mark storage
	engine_load
	check 'the target starts' storage_devices "$1"
	wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"
	start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	login >/run/login.out 2>&1 || give_up 'login' "$(cat /run/login.out)"
	disk=$(disk_of "$IQN" 0) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
}

storage_down()
{
	detach
	check 'the target goes' iscsictl -s "target=$IQN"
	stop_initiator
	check 'the module unloads' rmmod chiscsi
	check_klog 'nothing bad in the log'
}

# debug_disk: the disk that scsi_debug makes.
debug_disk()
{
	local model
	for model in /sys/class/block/*/device/model; do
		grep -q '^scsi_debug' "$model" || continue
		model=${model#/sys/class/block/}
		printf '/dev/%s\n' "${model%%/*}"
		return
	done
	return 1
}

# storage_pattern MB: random bytes in /run/pattern.
storage_pattern()
{
	dd if=/dev/urandom of=/run/pattern bs=1M count="$1" status=none
}

# storage_odd_places DISK: single blocks and odd numbers of them, at places that begin no page.
storage_odd_places()
{
	local at
	for at in 1 3 7 4095 8191; do
		dd if=/run/pattern of="$1" bs=512 seek="$at" count=17 oflag=direct status=none &&
			dd if="$1" of=/run/odd bs=512 skip="$at" count=17 iflag=direct status=none &&
			cmp -n 8704 /run/pattern /run/odd || return 1
	done
}

# storage_unmap DISK MB: gives up the first blocks, by the kernel's disk driver if it knows how.
storage_unmap()
{
	if [ "$(cat "/sys/block/${1##*/}/queue/discard_max_bytes")" -gt 0 ]; then
		blkdiscard -o 0 -l $(($2 * 1048576)) "$1"
	else
		sg_unmap --lba=0 --num=$(($2 * 2048)) "$(sg_of "$1")"
	fi
}

# storage_used_mb SG: MiB of a thin unit that are in use, as its log page says.
storage_used_mb()
{
	sg_logs --page=0xc "$1" | awk '
		/Used LBA/ { used = 1 }
		used && /resource count/ { print $NF; exit }'
}

# storage_hears_threshold DISK: reads, so that the kernel's disk driver may hear of it.
storage_hears_threshold()
{
	dd if="$1" of=/dev/null bs=4096 count=1 iflag=direct status=none &&
		dmesg | grep -q 'thin provisioning soft threshold'
}

# storage_compare_and_write DISK SG: one that finds what it expects, and one that does not.
storage_compare_and_write()
{
	dd if="$1" of=/run/old bs=512 skip=5000 count=1 iflag=direct status=none
	dd if=/dev/urandom of=/run/new bs=512 count=1 status=none
	cat /run/old /run/new >/run/both
	sg_compare_and_write --lba=5000 --num=1 --in=/run/both --xferlen=1024 "$2" || return 1
	dd if="$1" of=/run/now bs=512 skip=5000 count=1 iflag=direct status=none
	cmp /run/new /run/now || return 1
	! sg_compare_and_write --lba=5000 --num=1 --in=/run/both --xferlen=1024 "$2"
}

# storage_fio DISK: random writes of many sizes at once, with flushes, then all read back.
storage_fio()
{
	fio --name=verify --filename="$1" --rw=randwrite --bsrange=512-128k --size=24M --iodepth=16 \
		--ioengine=libaio --direct=1 --fsync=32 --verify=crc32c --verify_fatal=1 \
		--do_verify=1 --randrepeat=1
}
