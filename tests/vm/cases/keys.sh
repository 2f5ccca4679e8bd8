#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# keys.sh - every key of chiscsi.conf with a good value and with bad ones.
#
# Runs in the test machine.  A target with a value of its own for each key starts, shows each
# and negotiates what the initiator can see of it; every bad value is refused with the key's
# name and what is allowed, and nothing has changed.  The same for globals, by file and by -G.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark keys

IQN=iqn.2026-11.org.example:keys
conf=/run/keys.conf

# KEY GOOD BAD...: a good value, not the default where there is another, and bad ones. "_" is a blank.
# A list that may come more than once is not here: cases of its own have it.
target_keys()
{
	cat <<-'END'
		TargetAlias a_name_for_it
		MaxConnections 3 0 65536 -1 many
		InitialR2T No Maybe 1
		ImmediateData No Perhaps
		FirstBurstLength 131072 511 16777216
		MaxBurstLength 524288 511 16777216
		MaxRecvDataSegmentLength 65536 511 16777216 64k
		MaxOutstandingR2T 4 0 65536
		DefaultTime2Wait 5 3601 -1
		DefaultTime2Retain 10 3601 x
		DataPDUInOrder Yes No
		DataSequenceInOrder Yes No
		ErrorRecoveryLevel 0 1 2
		HeaderDigest CRC32C,None CRC32 CRC32C,CRC32C
		DataDigest CRC32C MD5
		AuthMethod None SRP None,None
		OFMarker No Yes
		IFMarker No Yes
		OFMarkInt 2048 0 65536
		IFMarkInt 2048 0 65536
		TargetSessionMaxCmd 33 0 2049
		ShadowMode No Off
		Auth_CHAP_Policy Oneway Twoway
		Auth_CHAP_ChallengeLength 1024 15 1025
		ACL_Enable No Never
		RegisteriSNS No Sometimes
	END
}

global_keys()
{
	cat <<-'END'
		iscsi_auth_order ACL FIRST
		DISC_AuthMethod None KERBEROS
		DISC_Auth_CHAP_Policy Oneway Both
		iscsi_chelsio_ini_idstr t4
		iscsi_target_vendor_id VENDOR TOO_LONG_A_NAME
		iscsi_login_complete_time 60 3601 -1
		iscsi_offload_mode ULP FULL
		iscsi_acl_order ISNS FILE
		iscsi_HA_mode Yes On
		iscsi_verbose_level 0x7,0x0 0xg
		isns_server 127.0.0.1:3205 127.0.0.1:65536 nowhere
		isns_id keys
		isns_query 30 0 86401
	END
}

# block [KEY VALUE]: the target with all good values, but for this key.
block()
{
	local key good
	printf 'target:\nTargetName=%s\nTargetDevice=ram,MEM,size=16MB\nPortalGroup=1@%s\n' "$IQN" "$PORTAL"
	while read -r key good _; do
		[ "$key" != "${1-}" ] || good=$2
		printf '%s=%s\n' "$key" "${good//_/ }"
	done < <(target_keys)
}

globals()
{
	local key good
	printf 'global:\n'
	while read -r key good _; do
		[ "$key" != "${1-}" ] || good=$2
		printf '%s=%s\n' "$key" "${good//_/ }"
	done < <(global_keys)
}

# is_refused NAME KEY COMMAND...: with status 1, and words of that key and of what it wants.
is_refused()
{
	local name=$1 key=$2 status=0
	shift 2
	"$@" >/run/keys.out 2>&1 || status=$?
	check_equal "$name is refused" "$status" 1
	check_says "$name: it says why" "\\b$key: .*(wants|can only be|is more than)" cat /run/keys.out
}

engine_load
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"

# --- bad values -----------------------------------------------------------------------------

while read -r key good bad; do
	for value in $bad; do
		block "$key" "$value" >$conf
		is_refused "$key=$value" "$key" iscsictl -S "target=$IQN" -f $conf
	done
done < <(target_keys)
{ block && printf 'MaxConection=1\n'; } >$conf
check_says 'an unknown key names the nearest' 'MaxConection: unknown key, did you mean MaxConnections' \
	sh -c "! iscsictl -S target=$IQN -f $conf 2>&1"
block MaxBurstLength 65536 >$conf
is_refused 'a first burst that is longer than all' FirstBurstLength iscsictl -S "target=$IQN" -f $conf
check_says 'nothing has started' '^no active target$' iscsictl -c

# --- good values ------------------------------------------------------------------------------

block >$conf
check 'the target starts' iscsictl -S "target=$IQN" -f $conf
wait_for_port || give_up 'it listens' "$(dmesg | tail -n 20)"
while read -r key good _; do
	check_says "$key is shown" "^ *$key=${good//_/ }\$" iscsictl -c "target=$IQN" -k "$key"
done < <(target_keys)

discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
set_digests CRC32C >/dev/null
node_set node.session.iscsi.MaxOutstandingR2T 8 >/dev/null
node_set node.session.iscsi.ImmediateData Yes >/dev/null
attach_known
iscsiadm -m session -P 2 >/run/session.out
# What both sides may decide is the target's, which wants less here.
for line in 'HeaderDigest: CRC32C' 'DataDigest: CRC32C' 'MaxXmitDataSegmentLength: 65536' \
	'FirstBurstLength: 131072' 'MaxBurstLength: 524288' 'ImmediateData: No' 'InitialR2T: No' \
	'MaxOutstandingR2T: 4'; do
	check_says "negotiated is $line" "$line\$" cat /run/session.out
done
dd if=/dev/urandom of=/run/pattern bs=1M count=2 status=none
check 'writes go by these' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
dd if="$disk" of=/run/back bs=1M count=2 iflag=direct status=none
check 'and reads' cmp /run/pattern /run/back

# --- a reload ----------------------------------------------------------------------------------

block MaxOutstandingR2T 0 >$conf
is_refused 'a reload with a bad value' MaxOutstandingR2T iscsictl -S "target=$IQN" -f $conf
check_says 'the good one is in force' 'MaxOutstandingR2T=4$' iscsictl -c "target=$IQN" -k MaxOutstandingR2T
block MaxOutstandingR2T 2 >$conf
check 'a reload with a good one' iscsictl -S "target=$IQN" -f $conf
iscsiadm -m session -P 2 >/run/session.out
check_says 'the session keeps what it has' 'MaxOutstandingR2T: 4$' cat /run/session.out
check 'logout' logout
check 'login' login
iscsiadm -m session -P 2 >/run/session.out
check_says 'a later one has the other' 'MaxOutstandingR2T: 2$' cat /run/session.out
block TargetSessionMaxCmd 34 >$conf
check_fails 'what cannot change is refused' iscsictl -S "target=$IQN" -f $conf
check_says 'and is as it was' 'TargetSessionMaxCmd=33$' iscsictl -c "target=$IQN" -k TargetSessionMaxCmd
check 'logout' logout
check 'the target stops' iscsictl -s "target=$IQN"

# --- globals --------------------------------------------------------------------------------------

iscsictl -g >/run/globals.before
while read -r key good bad; do
	for value in $bad; do
		is_refused "-G $key=$value" "$key" iscsictl -G "$key=${value//_/ }"
		{ globals "$key" "$value" && block; } >$conf
		is_refused "$key=$value in a file" "$key" iscsictl -S "target=$IQN" -f $conf
	done
done < <(global_keys)
iscsictl -g >/run/globals.after
check 'nothing has changed' cmp /run/globals.before /run/globals.after
check_says 'nor started' '^no active target$' iscsictl -c
{ globals && block; } >$conf
check 'good ones come with the file' iscsictl -S "target=$IQN" -f $conf
iscsictl -g >/run/globals.after
while read -r key good _; do
	check_says "$key is shown" "^ *$key=${good//_/ }\$" cat /run/globals.after
done < <(global_keys)
check 'one by hand' iscsictl -G iscsi_login_complete_time=61
check_says 'it is shown' '^ *iscsi_login_complete_time=61$' iscsictl -g

iscsiadm -m node -o delete >/dev/null 2>&1 || :
stop_initiator
check 'the target stops' iscsictl -s "target=$IQN"
check 'the module unloads' unload_target
check_klog 'the kernel log is clean' keys
finish
