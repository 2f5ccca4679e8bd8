#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# sg3_utils.sh - what sg3_utils, the administrator's tools for SCSI, read and do.
#
# Runs in the test machine: a thin RAM disk, a file with a cache, a read-only and a removable unit of
# the built-in classes. Each tool's output is looked at, not its status alone. SANITIZE goes on
# behind a slow disk of scsi_debug, where there is one.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/storage.sh
. "$GUEST_LIB/storage.sh"

truncate -s 64M /run/file.img
lines='thin,MEM,size=64MB,THIN;/run/file.img,FILE,PROD=A FILE;ro,MEM,RO;out,MEM,REMOVABLE'
slow=
modprobe sd_mod 2>/dev/null || :
if modprobe scsi_debug dev_size_mb=8 ndelay=200000000 2>/dev/null && wait_for 20 debug_disk >/dev/null; then
	slow=$(debug_disk)
	lines="$lines;$slow,BLK"
fi
storage_up "$lines"
thin=$(sg_of "$disk")
file=$(sg_of "$(disk_of "$IQN" 1)") || give_up 'the file appears' "$(dmesg | tail -n 20)"
ro=$(sg_of "$(disk_of "$IQN" 2)") || give_up 'the read-only unit appears' "$(dmesg | tail -n 20)"
out=$(sg_of "$(disk_of "$IQN" 3)") || give_up 'the removable unit appears' "$(dmesg | tail -n 20)"

# says NAME TOOL... -- PATTERN...: one run of a tool, and each pattern in its output.
says()
{
	local name=$1 pattern
	shift
	local command=()
	while [ "$1" != -- ]; do command+=("$1"); shift; done
	shift
	if ! "${command[@]}" >/run/says.out 2>&1; then
		not_ok "$name" "$(printf 'status %s: %s\n' "$?" "${command[*]}"; cat /run/says.out)"
		return 0
	fi
	for pattern; do
		if ! grep -qE -- "$pattern" /run/says.out; then
			not_ok "$name" "$(cat /run/says.out; printf 'no "%s" from: %s\n' "$pattern" "${command[*]}")"
			return 0
		fi
	done
	ok "$name"
}

says 'sg_inq' sg_inq "$thin" -- 'Vendor identification: CHISCSI' 'RMB=0' 'CmdQue=1' 'PQual=0' \
	'Peripheral device type: disk' 'SPC-4|\[SPC-4\]'
says 'sg_inq, the product of the line' sg_inq "$file" -- 'Product identification: A FILE'
says 'sg_inq, a removable medium' sg_inq "$out" -- 'RMB=1'
says 'sg_vpd -a' sg_vpd -a "$thin" -- 'Unit serial number' 'designator type: NAA' \
	"$IQN,t,0x0001" 'Block limits VPD page' 'Maximum transfer length: 32768' \
	'Maximum unmap LBA count: 1048576' 'Maximum unmap block descriptor count: 256' \
	'Maximum write same length: 0xffff' 'Non-rotating medium' 'Unmap command supported \(LBPU\): 1' \
	'Provisioning type: 2|Provisioning type: thin|thin provisioned'
says 'sg_readcap -l' sg_readcap -l "$thin" -- 'lbpme=1, lbprz=1' 'Number of logical blocks=131072' \
	'Logical block length=512' 'Logical blocks per physical block exponent=3'
says 'sg_luns' sg_luns "$thin" -- '^ *0003000000000000|  *0003000000000000'
says 'sg_opcodes' sg_opcodes "$thin" -- 'Sanitize, overwrite' 'Sanitize, block erase' \
	'Sanitize, exit failure mode' 'Read defect data\(10\)' 'Unmap' 'Compare and write' 'Write same\(16\)' \
	'Get LBA status' 'Persistent reserve out'
says 'sg_opcodes, one command' sg_opcodes --opcode=0x42 "$thin" -- 'supported' '[Uu]sage data: 42 00 00 00 00 00 00 ff ff 00'
says 'sg_modes -a' sg_modes -a "$file" -- 'Caching' 'Control' 'Informational exceptions|Power condition' 'WP=0'
says 'sg_modes, a read-only unit' sg_modes "$ro" -- 'WP=1'
says 'sg_turs' sg_turs --number=5 "$thin" --
says 'sg_requests' sg_requests "$thin" -- 'No Sense'

says 'sg_persist -k' sg_persist --in -k "$thin" -- 'PR generation=0x0, there are NO registered reservation keys'
says 'sg_persist, register' sg_persist --out --register --param-sark=abc "$thin" --
says 'sg_persist -k, a key' sg_persist --in -k "$thin" -- '0xabc'
says 'sg_persist -r, nothing' sg_persist --in -r "$thin" -- 'there is NO reservation held'
says 'sg_persist, reserve' sg_persist --out --reserve --param-rk=abc --prout-type=5 "$thin" --
says 'sg_persist -r' sg_persist --in -r "$thin" -- 'Key=0xabc' 'Write Exclusive, registrants only'
says 'sg_persist -s' sg_persist --in -s "$thin" -- 'Key=0xabc' 'Reservation holder' "$INITIATOR"
says 'sg_persist -c' sg_persist --in -c "$thin" -- 'Persist Through Power Loss Active' \
	'Write Exclusive, all registrants: 1' 'Exclusive Access, registrants only: 1'
says 'sg_persist, release and clear' sg_persist --out --clear --param-rk=abc "$thin" --
says 'sg_persist -k, nothing again' sg_persist --in -k "$thin" -- 'NO registered reservation keys'

storage_pattern 1
says 'sg_dd writes' sg_dd if=/run/pattern of="$thin" bs=512 bpt=128 count=2048 -- '2048\+0 records out'
says 'sg_verify' sg_verify --lba=0 --count=2048 "$thin" --
check_fails 'sg_verify finds other data' sg_verify --lba=0 --count=8 --ndo=4096 --in=/dev/zero "$thin"
says 'sg_get_lba_status, mapped' sg_get_lba_status --lba=0 "$thin" -- 'mapped'
says 'sg_unmap' sg_unmap --lba=0 --num=1024 "$thin" --
says 'sg_get_lba_status, unmapped' sg_get_lba_status --lba=8 "$thin" -- 'deallocated|unmapped'
check_fails 'sg_unmap beyond the end' sg_unmap --lba=131072 --num=1 "$thin"
check_says 'sg_unmap of a unit that is not thin' 'nvalid opcode|not supported' sg_unmap --lba=0 --num=1 "$file"
says 'sg_write_same' sg_write_same --16 --lba=1024 --num=1024 --in=/run/pattern --xferlen=512 "$thin" --
# One block 2048 times.
head -c 512 /run/pattern >/run/block
for _ in $(seq 11); do cat /run/block /run/block >/run/blocks && mv /run/blocks /run/block; done
dd if="$disk" of=/run/now bs=512 skip=1024 count=1024 iflag=direct status=none
check 'has repeated its block' cmp -n 524288 /run/block /run/now
check_says 'sg_write_same, more than the limit' 'Invalid field in cdb|Illegal request' \
	sg_write_same --16 --lba=0 --num=65536 --in=/dev/zero --xferlen=512 "$thin"
check 'sg_compare_and_write' storage_compare_and_write "$disk" "$thin"
check_fails 'a read-only unit takes nothing' sg_dd if=/run/pattern of="$ro" bs=512 count=1
says 'sg_sync' sg_sync "$file" --
says 'READ DEFECT DATA' sg_raw --request=8 "$thin" 37 00 18 00 00 00 00 00 08 00 -- '00 18 00 00'
says 'sg_start --eject' sg_start --eject "$out" --
check_says 'the medium is out' 'Medium not present|not ready' sg_turs -v "$out"
says 'sg_start --load' sg_start --load "$out" --
sg_turs "$out" >/dev/null 2>&1 || : # What the load has to say.
says 'the medium is in' sg_turs "$out" --
check 'sg_reset' sg_reset --device --no-escalate "$thin"
sg_turs "$thin" >/dev/null 2>&1 || : # What the reset has to say.
says 'and it is ready' sg_turs "$thin" --

says 'sg_sanitize --overwrite' sg_sanitize --overwrite --quick --wait --pattern=/run/pattern --ipl=512 "$file" --
for _ in $(seq 64); do cat /run/block; done >/run/expected
check 'has filled every block' cmp /run/expected /run/file.img
says 'sg_sanitize --block' sg_sanitize --block --quick --wait "$thin" --
check_equal 'has erased every block' "$(dd if="$disk" bs=1M iflag=direct status=none | tr -d '\0' | wc -c)" 0
says 'sg_sanitize --fail, without a failure' sg_sanitize --fail "$thin" --
check_says 'no cryptographic erase' 'nvalid field in cdb|not supported|Illegal request' sg_sanitize --crypto --quick --wait "$thin"

if [ -n "$slow" ]; then
	victim=$(sg_of "$(disk_of "$IQN" 4)") || give_up 'the slow unit appears' "$(dmesg | tail -n 20)"
	says 'sg_sanitize --early' sg_sanitize --overwrite --early --quick --pattern=/run/pattern --ipl=4 "$victim" --
	check_says 'it is under way' 'anitize in progress' sg_turs -v "$victim"
	check_says 'and says how far' 'rogress indication: [0-9]' sg_requests --progress "$victim"
	says 'INQUIRY meanwhile' sg_inq "$victim" -- 'Peripheral device type: disk'
	check 'a reset does not stop it' sg_reset --device --no-escalate "$victim"
	ready() { sg_turs "$victim" >/dev/null 2>&1; }
	check 'it ends' wait_for "$PATIENCE" ready
	dd if="$slow" of=/run/now bs=512 skip=16383 count=1 iflag=direct status=none
	check 'and has done its work' cmp -n 4 /run/pattern /run/now
	check 'another one' sg_sanitize --overwrite --early --quick --zero "$victim"
	check 'ends with its unit' storage_devices "${lines%;*}"
else
	skip 'SANITIZE of a slow disk' 'there is no scsi_debug'
fi

storage_down
[ -z "$slow" ] || modprobe -r scsi_debug 2>/dev/null || :
rm -f /run/file.img /run/expected
finish
