#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# chap_matrix.sh - which credentials open which target, and discovery.
#
# Runs in the test machine.  A target for each pair of AuthMethod and Auth_CHAP_Policy of
# chiscsi.conf; open-iscsi comes without credentials, with its own, and with those of the target
# as well, right and wrong.  The same for discovery, by the global keys.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark chap_matrix

base=iqn.2026-11.org.example:chap
conf=/run/chap_matrix.conf
iscsid_conf=/etc/iscsi/iscsid.conf
own='initiator1:secret of the first'
other='initiator2:secret of another'
theirs='target1:secret of the target'
# iscsiadm(8): ISCSI_ERR_LOGIN_AUTH_FAILED.
refused=24

# keys PREFIX METHOD POLICY: what opens it.
keys()
{
	printf '%sAuthMethod=%s\n%sAuth_CHAP_Policy=%s\n' "$1" "$2" "$1" "$3"
	printf "$1"'Auth_CHAP_%s="%s":"%s"\n' Initiator "${own%%:*}" "${own#*:}" \
		Initiator "${other%%:*}" "${other#*:}" Target "${theirs%%:*}" "${theirs#*:}"
}

# target NAME METHOD POLICY
target()
{
	printf 'target:\nTargetName=%s-%s\nTargetDevice=%s,MEM,size=1MB\nPortalGroup=1@%s\n' \
		"$base" "$1" "$1" "$PORTAL"
	keys '' "$2" "$3"
}

targets()
{
	target free-oneway None,CHAP Oneway
	target free-mutual None,CHAP Mutual
	target none-oneway None Oneway
	target none-mutual None Mutual
	target chap-oneway CHAP Oneway
	target chap-mutual CHAP Mutual
}

# auth OWN THEIRS: the settings of that login, one per line; "-" is none.
auth()
{
	if [ "$1" = - ]; then
		printf 'authmethod None\nusername\npassword\n'
	else
		printf 'authmethod CHAP\nusername %s\npassword %s\n' "${1%%:*}" "${1#*:}"
	fi
	[ "$2" = - ] && printf 'username_in\npassword_in\n' ||
		printf 'username_in %s\npassword_in %s\n' "${2%%:*}" "${2#*:}"
}

# be OWN THEIRS: every node record logs in so.
be()
{
	local name value
	while read -r name value; do
		iscsiadm -m node -o update -n "node.session.auth.$name" -v "$value" >/dev/null || return 1
	done < <(auth "$1" "$2")
}

# discover_as OWN THEIRS: iscsid.conf has it so for discoveries, which begin.
discover_as()
{
	sed -i '/^discovery\.sendtargets\.auth\./d' $iscsid_conf
	auth "$1" "$2" | sed -n 's/^\([a-z_]*\) \(.*\)/discovery.sendtargets.auth.\1 = \2/p' >>$iscsid_conf
	iscsiadm -m discovery -t sendtargets -p "$PORTAL" -o nonpersistent
}

refusals() { klog_since | grep -c "login of $INITIATOR at $1 refused, status 0201" || :; }

# status_of COMMAND...: its exit status alone.
status_of()
{
	local status=0
	"$@" >/run/status.out 2>&1 || status=$?
	echo $status
}

opens()
{
	check "$1: $2 logs in" login "$base-$1"
	check "$1: and out" logout "$base-$1"
}

stays_shut()
{
	local before
	before=$(refusals "$base-$1")
	check_equal "$1: $2 is refused" "$(status_of login "$base-$1")" $refused
	check_equal "$1: once, with status 0201" "$(($(refusals "$base-$1") - before))" 1
	check_equal "$1: no session" "$(session_dirs "$base-$1")" ''
}

# The target has shown nothing of itself, or not the right thing: the initiator goes.
is_distrusted()
{
	check_fails "$1: $2 does not trust it" login "$base-$1"
	check_equal "$1: no session" "$(session_dirs "$base-$1")" ''
}

# row WHO NAME=yes|no|distrust...: how it goes with each target.
row()
{
	local who=$1 cell
	shift
	for cell in "$@"; do
		case ${cell#*=} in
		yes) opens "${cell%=*}" "$who" ;;
		no) stays_shut "${cell%=*}" "$who" ;;
		distrust) is_distrusted "${cell%=*}" "$who" ;;
		esac
	done
}

targets >$conf
chmod 600 $conf
engine_load
check 'the targets start' iscsictl -S target=ALL -f $conf
wait_for_port || give_up 'it listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
check_equal 'discovery is free and names all' "$(discover | wc -l)" 6

# --- sessions ---------------------------------------------------------------------------

be - - || not_ok 'no credentials' "$(cat /run/status.out)"
row 'who has none' free-oneway=yes free-mutual=yes none-oneway=yes none-mutual=yes \
	chap-oneway=no chap-mutual=no

# Where there is no CHAP, this initiator comes without: it offers both.
be "$own" - || not_ok 'credentials' ''
row 'who has his own' free-oneway=yes free-mutual=no none-oneway=yes none-mutual=yes \
	chap-oneway=yes chap-mutual=no

be "$own" "$theirs" || not_ok 'credentials of both' ''
row 'who has both' free-oneway=yes free-mutual=yes none-oneway=distrust none-mutual=distrust \
	chap-oneway=yes chap-mutual=yes

be "$other" - || not_ok 'credentials of another' ''
row 'another account' chap-oneway=yes

be "${own%%:*}:secret of another" - || not_ok 'wrong credentials' ''
row 'who has the secret of another' free-oneway=no chap-oneway=no
be "somebody:${own#*:}" - || not_ok 'an unknown name' ''
row 'an unknown name' chap-oneway=no
be "${own%%:*}:wrong secret" "$theirs" || not_ok 'wrong credentials of both' ''
row 'who has a wrong secret and the right one of the target' chap-mutual=no

be "$own" "${theirs%%:*}:another secret" || not_ok 'wrong credentials of the target' ''
row 'who expects another secret' chap-mutual=distrust
be "$own" "target2:${theirs#*:}" || not_ok 'another name of the target' ''
row 'who expects another name' chap-mutual=distrust

check_fails 'no secret is shown' sh -c "iscsictl -c target=ALL | grep -q secret"
check_fails 'nor logged' sh -c "dmesg | grep -q 'secret of'"

# --- discovery ----------------------------------------------------------------------------

# discovery METHOD POLICY: the global keys say so from now on.
discovery()
{
	{ printf 'global:\n' && keys DISC_ "$1" "$2" && targets; } >$conf
	check "discovery with $1, $2" iscsictl -S target=ALL -f $conf
}

# finds WHO OWN THEIRS
finds() { check_equal "$1 discovers" "$(discover_as "$2" "$3" | wc -l)" 6; }

finds_nothing() { check_equal "$1 does not discover" "$(status_of discover_as "$2" "$3")" $refused; }

discovery CHAP Oneway
finds_nothing 'who has no credentials' - -
finds_nothing 'who has a wrong secret' "${own%%:*}:wrong secret" -
finds 'who has his own' "$own" -
finds 'who has both' "$own" "$theirs"
discovery CHAP Mutual
finds_nothing 'who has no credentials' - -
finds_nothing 'who has only his own' "$own" -
finds 'who has both' "$own" "$theirs"
check_fails 'a target with another secret is not trusted' discover_as "$own" "${theirs%%:*}:another secret"
discovery None Oneway
finds 'who has no credentials' - -

iscsiadm -m node -o delete >/dev/null 2>&1 || :
sed -i '/^discovery\.sendtargets\.auth\./d' $iscsid_conf
stop_initiator
check 'the targets stop' iscsictl -s target=ALL
check 'the module unloads' unload_target
check_klog 'the kernel log is clean' chap_matrix
finish
