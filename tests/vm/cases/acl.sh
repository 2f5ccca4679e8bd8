#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# acl.sh - who may log in, at which portal, and to which LUNs.
#
# Runs in the test machine.  A target for each kind of ACL line, two initiator names, two
# portals and a source address that a route decides.  Each login is let in or refused as the
# lines say, has the LUNs and rights that they give, and discovery names the targets that may
# be logged in to.  The lines cannot change below a session.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark acl

base=iqn.2026-11.org.example:acl
conf=/run/acl.conf
me=$INITIATOR
second=$INITIATOR.second
# Of the loop-back network, so that every machine has them; connections come from 127.0.0.1
# unless a route says otherwise.
one=127.0.0.11
two=127.0.0.12

# target NAME LINE...: one more target in the file, with four LUNs of which the last is read only.
target()
{
	printf 'target:\nTargetName=%s-%s\nPortalGroup=1@%s,%s\n' "$base" "$1" "$one" "$two"
	printf 'TargetDevice=%s,MEM,size=1MB%s\n' a '' b '' c '' d ,RO
	shift
	printf '%s\n' "$@"
}

targets()
{
	target nobody ACL_Enable=Yes
	target off "ACL=iname=$second"
	target name ACL_Enable=Yes "ACL=iname=$me"
	target names ACL_Enable=Yes "ACL=iname=$me.absent,$second"
	target source ACL_Enable=Yes ACL=sip=127.0.0.4,127.0.0.3
	target portal ACL_Enable=Yes "ACL=dip=$one"
	target every ACL_Enable=Yes "ACL=iname=$me;sip=127.0.0.3;dip=$one"
	target some ACL_Enable=Yes "ACL=iname=$me;lun=1,3:R"
	target ranges ACL_Enable=Yes "ACL=iname=$me;lun=0~1:R" "ACL=iname=$me;lun=2~3:WR"
	target best ACL_Enable=Yes ACL=sip=127.0.0.3\;lun=ALL:R "ACL=iname=$me;lun=1~2:RW"
	target chap ACL_Enable=Yes "ACL=iname=$second" AuthMethod=CHAP 'Auth_CHAP_Initiator="u":"a secret of some length"'
}

# come_from ADDRESS: what connections to both portals have as their source from now on.
come_from()
{
	ip route replace local "$one" dev lo table local src "$1" &&
		ip route replace local "$two" dev lo table local src "$1"
}

add_second()
{
	iscsiadm -m iface -I second -o new &&
		iscsiadm -m iface -I second -o update -n iface.transport_name -v tcp &&
		iscsiadm -m iface -I second -o update -n iface.initiatorname -v "$second"
}

# name_of INTERFACE: the initiator's name.
name_of() { if [ "$1" = second ]; then echo "$second"; else echo "$me"; fi; }

# rights_of TARGET: its session's disks, for example "0:RW 3:R".
rights_of()
{
	local session dir lun right
	for session in $(session_dirs "$base-$1"); do
		for dir in "$session"/device/target*/*/block/sd*; do
			[ -e "$dir/ro" ] || continue
			lun=${dir%/block/*}
			right=RW
			[ "$(cat "$dir/ro")" = 0 ] || right=R
			printf '%s:%s\n' "${lun##*:}" "$right"
		done
	done | sort | tr '\n' ' ' | sed 's/ $//'
}

has_rights() { [ "$(rights_of "$1")" = "$2" ]; }

# reported_by DISK: the numbers that REPORT LUNS has.
reported_by() { sg_luns "$(sg_of "$1")" | sed -n 's/^ *00\([0-9a-f][0-9a-f]\)0\{12\}$/\1/p' | sed 's/^0//' | tr '\n' ' ' | sed 's/ $//'; }

refusals() { klog_since | grep -c "login of $1 at $base-$2 refused, status $3" || :; }

new_node() { iscsiadm -m node -o new -T "$base-$1" -p "$2:3260,1" -I "$3" >/run/node.out 2>&1; }

# status_of COMMAND...: its exit status alone.
status_of()
{
	local status=0
	"$@" >/run/status.out 2>&1 || status=$?
	echo $status
}

# enter NAME TARGET INTERFACE SOURCE PORTAL RIGHTS: the login has these LUNs, and ends again.
enter()
{
	local first
	come_from "$4" && new_node "$2" "$5" "$3" || not_ok "$1: a node record" "$(cat /run/node.out)"
	check "$1" login "$base-$2" "$5:3260" "$3"
	check "$1: $6" wait_for "$PATIENCE" has_rights "$2" "$6"
	first=${6%%:*}
	check_equal "$1: REPORT LUNS" "$(reported_by "$(find_disk "$base-$2" "$first")")" \
		"$(printf '%s\n' "$6" | sed 's/:[RW]*//g')"
	[ "${7-}" = stay ] || check "$1: logout" logout "$base-$2" "$5:3260" "$3"
}

# keep_out NAME TARGET INTERFACE SOURCE PORTAL: the login is refused for want of authorization.
keep_out()
{
	local before
	come_from "$4" && new_node "$2" "$5" "$3" || not_ok "$1: a node record" "$(cat /run/node.out)"
	before=$(refusals "$(name_of "$3")" "$2" 0202)
	check_equal "$1: no login, and the initiator knows why" \
		"$(status_of login "$base-$2" "$5:3260" "$3")" 24
	check_equal "$1: refused once, with status 0202" \
		"$(($(refusals "$(name_of "$3")" "$2" 0202) - before))" 1
	check_equal "$1: no session" "$(session_dirs "$base-$2" "$3")" ''
}

# seen INTERFACE SOURCE PORTAL: the targets that discovery names, by the ends of their names.
seen()
{
	come_from "$2"
	iscsiadm -m discovery -t sendtargets -p "$3" -I "$1" -o nonpersistent |
		sed -n "s/.* $base-//p" | sort -u | tr '\n' ' ' | sed 's/ $//'
}

targets >$conf
chmod 600 $conf
engine_load
check 'the targets start' iscsictl -S target=ALL -f $conf
wait_for_port "$one" || give_up 'it listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
check 'a second initiator' add_second

# --- whom the lines let in ----------------------------------------------------------

all='0:RW 1:RW 2:RW 3:R'
keep_out 'no line at all' nobody default 127.0.0.1 $one
enter 'ACL_Enable=No' off default 127.0.0.1 $one "$all"
enter 'its name' name default 127.0.0.1 $one "$all"
keep_out 'another name' name second 127.0.0.1 $one
enter 'one of two names' names second 127.0.0.1 $two "$all"
keep_out 'the beginning of a name' names default 127.0.0.1 $one
enter 'its address' source default 127.0.0.3 $one "$all"
keep_out 'another address' source default 127.0.0.5 $one
enter 'the portal' portal second 127.0.0.1 $one "$all"
keep_out 'the other portal' portal second 127.0.0.1 $two
enter 'all of a line' every default 127.0.0.3 $one "$all"
keep_out 'all but the name' every second 127.0.0.3 $one
keep_out 'all but the address' every default 127.0.0.4 $one
keep_out 'all but the portal' every default 127.0.0.3 $two

# --- to which LUNs --------------------------------------------------------------------

enter 'two LUNs without the first' some default 127.0.0.1 $one '1:R 3:R'
enter 'ranges' ranges default 127.0.0.1 $one '0:R 1:R 2:RW 3:R'
enter 'one line of two' best second 127.0.0.3 $one '0:R 1:R 2:R 3:R'
enter 'the other line' best default 127.0.0.1 $one '1:RW 2:RW'
keep_out 'neither' best second 127.0.0.1 $one
enter 'both lines' best default 127.0.0.3 $one '0:R 1:RW 2:RW 3:R' stay

# write_block LUN: past the kernel, which knows what is read only.
write_block() { sg_raw -v -s 512 -i /run/pattern "$(sg_of "$(find_disk "$base-best" "$1")")" 2a 00 00 00 00 00 00 00 01 00; }
read_block() { dd if="$(find_disk "$base-best" "$1")" bs=512 count=1 iflag=direct status=none; }

head -c 512 /dev/urandom >/run/pattern
check 'a LUN with RW is written' write_block 1
read_block 1 >/run/read
check 'and has it' cmp /run/pattern /run/read
check_says 'a LUN with R is write protected' 'Write protected' write_block 0
read_block 0 >/run/read
check 'and has nothing of it' cmp -n 512 /dev/zero /run/read

# --- the lines below a session -----------------------------------------------------------

reload() { iscsictl -S "target=$base-best" -f "$1"; }
reload_fails() { ! reload "$1" 2>&1; }

sed "s/^ACL=sip=127.0.0.3;lun=ALL:R\$/&\\nACL=iname=$second/" $conf >/run/more.conf
check_says 'a line cannot be added' ' ACL: cannot change while the target is active' reload_fails /run/more.conf
sed '/^ACL=sip=127.0.0.3;lun=ALL:R$/d' $conf >/run/less.conf
check_says 'nor taken away' ' ACL: cannot change while the target is active' reload_fails /run/less.conf
check_equal 'the lines are as before' "$(iscsictl -c "target=$base-best" -k ACL | grep -c ACL=)" 2
check 'the session goes on' write_block 1
keep_out 'nobody new' best second 127.0.0.1 $one
check 'logout' logout "$base-best" "$one:3260" default
check 'the target stops' iscsictl -s "target=$base-best"
check 'and starts with one line more' reload /run/more.conf
enter 'whom it names' best second 127.0.0.1 $one "$all"
check 'the target stops again' iscsictl -s "target=$base-best"
check 'and starts with one line less' reload /run/less.conf
enter 'whom it does not name' best default 127.0.0.3 $one '1:RW 2:RW'

# --- who is not let back ---------------------------------------------------------------------

back() { iscsictl -r "target=$base-name" | grep -q '^SESSION: '; }
is_refused() { [ "$(refusals "$me" name 0202)" -gt "$before" ]; }

enter 'a session' name default 127.0.0.1 $one "$all" stay
disk=$(find_disk "$base-name" 1)
before=$(refusals "$me" name 0202)
sed "s/^ACL=iname=$me\$/ACL=iname=$second/" $conf >/run/less.conf
check 'its target stops' iscsictl -s "target=$base-name"
check 'and starts without its line' iscsictl -S "target=$base-name" -f /run/less.conf
check 'it is refused when it comes back' wait_for "$PATIENCE" is_refused
check_fails 'and has no session' back
check 'the target stops again' iscsictl -s "target=$base-name"
check 'and starts with its line' iscsictl -S "target=$base-name" -f $conf
check 'it comes back' wait_for "$PATIENCE" back
check 'its disk can be read' dd if="$disk" of=/dev/null bs=64k count=4 iflag=direct
check 'logout' logout "$base-name" "$one:3260" default

# --- before or after CHAP --------------------------------------------------------------------

# refused_with ORDER STATUS: who is not in the list and has no secret.
refused_with()
{
	local before
	check "iscsi_auth_order=$1" iscsictl -G "iscsi_auth_order=$1"
	before=$(refusals "$me" chap "$2")
	check_fails "$1: no login" login "$base-chap" "$one:3260" default
	check_equal "$1: status $2" "$(($(refusals "$me" chap "$2") - before))" 1
}

new_node chap $one default || not_ok 'a node record' "$(cat /run/node.out)"
refused_with CHAP 0201
refused_with ACL 0202

# --- what discovery names ------------------------------------------------------------------------

check 'the targets as at first' iscsictl -s target=ALL
check 'start again' iscsictl -S target=ALL -f $conf
check_equal 'what the first sees' "$(seen default 127.0.0.1 $one)" 'best name off portal ranges some'
check_equal 'from its address' "$(seen default 127.0.0.3 $one)" \
	'best every name off portal ranges some source'
check_equal 'at the other portal' "$(seen default 127.0.0.3 $two)" 'best name off ranges some source'
check_equal 'what the second sees' "$(seen second 127.0.0.1 $two)" 'chap names off'

iscsiadm -m node -o delete >/dev/null 2>&1 || :
check 'interface records are removed' iscsiadm -m iface -I second -o delete
check 'routes are removed' sh -c "ip route del local $one table local && ip route del local $two table local"
stop_initiator
check 'the targets stop' iscsictl -s target=ALL
check 'the module unloads' unload_target
check_klog 'the kernel log is clean' acl
finish
