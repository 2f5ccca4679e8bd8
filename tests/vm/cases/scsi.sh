#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scsi.sh - the command set as sg3_utils sees it.
#
# Runs in the test machine.  Good commands must answer with what was
# configured; bad ones must answer with the sense data that SPC-4 and SBC-3
# name, and leave the session alive.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

# An opcode that no device type defines.
bad_opcode()
{
	sg_raw "$sg" 3f 00 00 00 00 00 00 00 00 00
}

# READ(10) or WRITE(10) of one block behind the last one (64 MiB, 512 bytes).
read_behind_end()
{
	sg_raw -r 512 "$sg" 28 00 00 02 00 00 00 00 01 00
}

write_behind_end()
{
	sg_raw -s 512 -i /dev/zero "$sg" 2a 00 00 02 00 00 00 00 01 00
}

# INQUIRY for a page that nobody has.
bad_page()
{
	sg_raw -r 255 "$sg" 12 01 7f 00 ff 00
}

# READ(10) which straddles the end: the first block exists, the second not.
read_over_end()
{
	sg_raw -r 1024 "$sg" 28 00 00 01 ff ff 00 00 02 00
}

wrong_lun()
{
	ls -d "$(readlink -f "/sys/block/${disk##*/}/device")/../"*:77 2>/dev/null
}

up
attach
sg=$(sg_of "$disk")
check_says 'INQUIRY is a disk' 'Peripheral device type: disk' sg_inq "$sg"
check_says 'INQUIRY has a command queue' 'CmdQue=1' sg_inq "$sg"
check_says 'the list of pages holds 0x83' '[Dd]evice identification' sg_vpd "$sg"
check_says 'page 0x83 names the unit' '[Aa]ddressed logical unit' sg_vpd -p di "$sg"
check_says 'page 0x80 has a serial number' 'Unit serial number: *[^ ]' sg_vpd -p sn "$sg"
check_says 'REPORT LUNS names two units' 'Lun list length = (16|24)' sg_luns "$sg"
check_says 'READ CAPACITY(10)' 'Last LBA=131071 .*Number of logical blocks=131072' sg_readcap "$sg"
check_says 'READ CAPACITY(16)' 'Last LBA=131071 .*Number of logical blocks=131072' sg_readcap -16 "$sg"
check 'TEST UNIT READY' sg_turs "$sg"
check 'TEST UNIT READY many times' sg_turs -n 200 "$sg"
check 'REQUEST SENSE' sg_requests "$sg"
check 'MODE SENSE' sg_modes -6 "$sg"
check_says 'an unknown opcode is refused' 'Illegal Request|Invalid command operation code' bad_opcode
check_says 'an unknown page is refused' 'Invalid field in cdb' bad_page
check_says 'a read behind the end is refused' 'Logical block address out of range' read_behind_end
check_says 'a write behind the end is refused' 'Logical block address out of range' write_behind_end
check_says 'a read over the end is refused' 'Logical block address out of range' read_over_end
check_equal 'no unit that was not configured' "$(wrong_lun)" ''
check 'the unit still answers' sg_turs "$sg"
check 'the session is still logged in' session_is "$(session_dirs "$IQN")" LOGGED_IN
detach
down
finish
