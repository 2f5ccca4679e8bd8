# SPDX-License-Identifier: GPL-2.0-only
#
# raw_login.sh - Login Requests written by hand, for what an initiator that
# follows the rules cannot be made to send.
#
# Sourced by test cases after guest.sh.  One request goes straight to the
# operational stage and asks for the full-feature phase, with no
# authentication (RFC 7143 s11.12); the answer's status is read back.  The
# connection stays open on the caller's file descriptor.

# hex_bytes HEX...: writes the bytes; blanks between them do not matter.
hex_bytes()
{
	local hex
	hex=$(printf '%s' "$@" | tr -d ' ')
	# shellcheck disable=SC2001 # Every pair gets its prefix.
	printf '%b' "$(printf '%s' "$hex" | sed 's/../\\x&/g')"
}

# raw_open DESCRIPTOR: connects it to the target under test.
raw_open()
{
	eval "exec $1<>/dev/tcp/${PORTAL%:*}/${PORTAL##*:}"
}

raw_close()
{
	eval "exec $1>&-"
}

# raw_text KEY=VALUE...: the data segment with its padding, into /run/raw.text;
# sets raw_length to the length without padding.
raw_text()
{
	printf '%s\0' "$@" >/run/raw.text
	raw_length=$(stat -c %s /run/raw.text)
	while [ $(($(stat -c %s /run/raw.text) % 4)) -ne 0 ]; do
		printf '\0' >>/run/raw.text
	done
}

# raw_send DESCRIPTOR ISID EXP_STAT_SN: one Login Request with /run/raw.text,
# TSIH 0, CID 1, from the operational stage to the full-feature phase.
raw_send()
{
	{
		hex_bytes 43 87 00 00 00 "$(printf %06x "$raw_length")" "$2" 0000 \
			00000001 0001 0000 00000001 "$(printf %08x "$3")" 00000000000000000000000000000000
		cat /run/raw.text
	} >/run/raw.pdu
	cat /run/raw.pdu >&"$1"
}

# raw_answer DESCRIPTOR: reads one PDU with its data; sets raw_status to
# "OPCODE FLAGS CLASS DETAIL" in hexadecimal, and raw_stat_sn.
raw_answer()
{
	local bytes length
	raw_status=none
	timeout "$PATIENCE" head -c 48 <&"$1" >/run/raw.answer || return 1
	bytes=$(od -An -v -tx1 /run/raw.answer | tr -d ' \n')
	[ ${#bytes} -eq 96 ] || return 1
	raw_status="${bytes:0:2} ${bytes:2:2} ${bytes:72:2} ${bytes:74:2}"
	raw_stat_sn=$((0x${bytes:48:8}))
	length=$(((0x${bytes:10:6} + 3) / 4 * 4))
	timeout "$PATIENCE" head -c "$length" <&"$1" >/run/raw.answer.text
}

# raw_login DESCRIPTOR ISID INITIATOR TARGET [KEY=VALUE...]: logs in on an open
# connection and prints the last answer as "OPCODE FLAGS CLASS DETAIL", for
# example "23 87 00 00" for success.  ISID is 12 hexadecimal digits.
raw_login()
{
	local fd=$1 isid=$2 initiator=$3 target=$4
	shift 4
	raw_text "InitiatorName=$initiator" "TargetName=$target" SessionType=Normal \
		HeaderDigest=None DataDigest=None DefaultTime2Wait=2 DefaultTime2Retain=0 \
		ErrorRecoveryLevel=0 InitialR2T=No ImmediateData=Yes MaxConnections=1 \
		MaxBurstLength=262144 FirstBurstLength=65536 MaxOutstandingR2T=1 \
		DataPDUInOrder=Yes DataSequenceInOrder=Yes MaxRecvDataSegmentLength=65536 "$@"
	raw_stat_sn=-1
	for _ in 1 2 3 4 5; do
		raw_send "$fd" "$isid" $((raw_stat_sn + 1)) && raw_answer "$fd" || break
		# A good answer without the transit bit wants another request.
		case $raw_status in '23 8'* | '23 '??' 0'[1-9]*) break ;; esac
		: >/run/raw.text
		raw_length=0
	done
	printf '%s\n' "$raw_status"
}

# raw_eof DESCRIPTOR: the target closes the connection within the limit.
raw_eof()
{
	timeout "$PATIENCE" cat <&"$1" >/dev/null
	[ $? -ne 124 ]
}

# raw_alive DESCRIPTOR: the connection is still open after two seconds.
raw_alive()
{
	timeout 2 cat <&"$1" >/dev/null
	[ $? -eq 124 ]
}
