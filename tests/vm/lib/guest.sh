# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh - what a script inside the test machine needs.
#
# Sourced (bash, `set -eu`) by tests/vm/cases/*.sh and by the benchmarks; runs
# as root in the machine only.  Three parts: checks that print `ok - NAME` or
# `not ok - NAME`, the initiator (open-iscsi), and the target under test, which
# is ours unless VM_TARGET names a peer.  Every wait has a limit; nothing
# sleeps for a fixed time.  Sizes are in MiB where the name says mb.

# Arguments are optional in many functions; the variables are for the cases.
# shellcheck disable=SC2034,SC2119,SC2120

GUEST_LIB=${GUEST_LIB:-/tests/lib}
IQN=${IQN:-iqn.2026-01.test.chiscsi:disk}
PORTAL=${PORTAL:-127.0.0.1:3260}
INITIATOR=iqn.2026-01.test.chiscsi:initiator
# A limit that only catches hangs: the machine is emulated and shared.
PATIENCE=${PATIENCE:-60}

# shellcheck source=tests/vm/lib/klog.sh
. "$GUEST_LIB/klog.sh"

passed=0
failed=0
skipped=0
iscsid_pid=
udevd_pid=

# --- checks -----------------------------------------------------------------

ok()
{
	passed=$((passed + 1))
	printf 'ok - %s\n' "$1"
}

# not_ok NAME [TEXT]: TEXT is shown as comment lines.
not_ok()
{
	failed=$((failed + 1))
	printf 'not ok - %s\n' "$1"
	[ -z "${2-}" ] || printf '%s\n' "$2" | tail -n 40 | sed 's/^/#   /'
}

skip()
{
	skipped=$((skipped + 1))
	printf 'skip - %s (%s)\n' "$1" "$2"
}

# check NAME COMMAND...: passes when the command does; else shows its output.
# The command runs in this shell, so it may be a function that sets variables.
check()
{
	local name=$1 status=0
	shift
	"$@" >/run/check.out 2>&1 || status=$?
	if [ "$status" -eq 0 ]; then
		ok "$name"
	else
		not_ok "$name" "$(printf 'status %s: %s\n' "$status" "$*"; cat /run/check.out)"
	fi
	return 0
}

# check_fails NAME COMMAND...: passes when the command is refused.
check_fails()
{
	local name=$1
	shift
	if "$@" >/run/check.out 2>&1; then
		not_ok "$name" "$(printf 'succeeded: %s\n' "$*"; cat /run/check.out)"
	else
		ok "$name"
	fi
}

# check_says NAME PATTERN COMMAND...: the output must match the expression,
# whatever the command's status.
check_says()
{
	local name=$1 pattern=$2
	shift 2
	"$@" >/run/check.out 2>&1 || :
	if grep -qE -- "$pattern" /run/check.out; then
		ok "$name"
	else
		not_ok "$name" "$(printf 'no "%s" from: %s\n' "$pattern" "$*"; cat /run/check.out)"
	fi
}

check_equal()
{
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2' and not '$3'"; fi
}

# finish: the last command of every case.
finish()
{
	stop_udevd
	: >/run/case.finished
	printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" -eq 0 ]
	exit
}

# give_up NAME TEXT: ends a case whose later checks make no sense.
give_up()
{
	not_ok "$1" "$2"
	finish
}

is_uml() { grep -q 'User Mode Linux' /proc/cpuinfo; }

# skip_case TEXT: ends a case that cannot run here.
skip_case()
{
	skip "${CASE:-case}" "$1"
	finish
}

need_chiscsi()
{
	case $VM_TARGET in
	chiscsi | offload) ;;
	*) skip_case "only for our own target, and this is $VM_TARGET" ;;
	esac
}

# need_sample PARAMETER...: ends the case unless the sample driver has them.
need_sample()
{
	local known name
	known=$(modinfo -F parm /modules/ifacedriver.ko 2>/dev/null) || :
	for name in "$@"; do
		printf '%s\n' "$known" | grep -q "^$name:" ||
			skip_case "the sample driver has no parameter $name"
	done
}

# --- waiting ----------------------------------------------------------------

# wait_for SECONDS COMMAND...: repeats until it succeeds or the time is over.
wait_for()
{
	local end=$(($(uptime_s) + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$(uptime_s)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

uptime_s()
{
	local up
	read -r up _ </proc/uptime
	printf '%s\n' "${up%.*}"
}

# port_open ADDRESS PORT: somebody listens there.
port_open()
{
	(exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

wait_for_port()
{
	wait_for "$PATIENCE" port_open "${1:-127.0.0.1}" "${2:-3260}"
}

# --- the kernel log ---------------------------------------------------------

# klog_mark NAME: later klog_since prints only what came after this.
klog_mark()
{
	KLOG_MARK="chiscsi-test: mark $1 $(cut -d' ' -f1 /proc/uptime) $RANDOM"
	printf '%s\n' "$KLOG_MARK" >/dev/kmsg
}

klog_since()
{
	dmesg | sed -n "/$KLOG_MARK/,\$p" | tail -n +2
}

# check_klog NAME: nothing bad was logged since the mark; if something was, the log
# from just before it is printed.
check_klog()
{
	local log
	log=$(klog_since)
	if printf '%s\n' "$log" | klog_bad >/dev/null; then
		not_ok "$1"
		printf '%s\n' "$log" | klog_story | sed 's/^/#   /'
	else
		ok "$1"
	fi
}

# --- the initiator ----------------------------------------------------------

iscsid_answers()
{
	grep -q '@ISCSIADM_ABSTRACT_NAMESPACE' /proc/net/unix
}

start_initiator()
{
	[ -z "$iscsid_pid" ] || return 0
	modprobe -a iscsi_tcp sd_mod sg
	# The daemon ends its whole process group with itself, hence one of its own.
	setsid iscsid -f >/run/iscsid.log 2>&1 &
	iscsid_pid=$!
	echo "$iscsid_pid" >/run/iscsid.pid
	wait_for "$PATIENCE" iscsid_answers
}

has_ended()
{
	[ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# stop_initiator [SIGNAL]: KILL imitates a daemon that died with live sessions.
# One that does not end when it is asked to is ended.
stop_initiator()
{
	[ -n "$iscsid_pid" ] || return 0
	kill "-${1:-TERM}" "$iscsid_pid" 2>/dev/null || :
	wait_for "$PATIENCE" has_ended "$iscsid_pid" || kill -KILL "$iscsid_pid" 2>/dev/null || :
	wait "$iscsid_pid" 2>/dev/null || :
	iscsid_pid=
}

# show_group PID: the processes of a group, and where in the kernel each of them is.
show_group()
{
	local dir
	for dir in /proc/[0-9]*; do
		[ "$(awk '{ sub(/.*\) /, ""); print $3 }' "$dir/stat" 2>/dev/null)" = "$1" ] || continue
		{ tr '\0' ' ' <"$dir/cmdline"; echo; grep -E '^(State|Sig|Shd)' "$dir/status"; cat "$dir/stack"; } 2>/dev/null |
			sed 's/^/#   /'
	done
}

start_udevd()
{
	[ -z "$udevd_pid" ] || return 0
	# A group of its own, so that its workers can be ended with it.
	setsid /usr/lib/systemd/systemd-udevd >/run/udevd.log 2>&1 &
	udevd_pid=$!
	# Its socket says nothing: the one of an earlier daemon is still there.
	wait_for "$PATIENCE" udevadm control --ping --timeout=2
	udevadm trigger --action=add --subsystem-match=block
	udevadm settle --timeout="$PATIENCE"
}

# stop_udevd: it reads each disk that was written to, some time later: `udevadm settle` does not wait
# for what it has not noticed yet. A case that comes after this one may be about single commands.
# It is not asked by `udevadm control --exit`, for it passes over what comes between its accept() and
# the socket option for the sender's identity. One that does not end all the same is shown and ended.
stop_udevd()
{
	[ -n "$udevd_pid" ] || return 0
	kill "$udevd_pid" 2>/dev/null || :
	if ! wait_for "$PATIENCE" has_ended "$udevd_pid"; then
		printf '# udevd does not end:\n'
		show_group "$udevd_pid"
		kill -KILL -- "-$udevd_pid" || :
	fi
	wait "$udevd_pid" 2>/dev/null || :
	udevd_pid=
}

# discover [PORTAL]: prints "PORTAL,TPGT IQN" per target portal.
discover()
{
	iscsiadm -m discovery -t sendtargets -p "${1:-$PORTAL}"
}

# discover_quietly [PORTAL]: fills the node database only.
discover_quietly()
{
	discover "${1:-$PORTAL}" >/run/discover.out 2>&1 || { cat /run/discover.out; return 1; }
}

# node_set NAME VALUE: a setting of the target's node records.
node_set()
{
	iscsiadm -m node -T "$IQN" -o update -n "$1" -v "$2"
}

login()
{
	iscsiadm -m node -T "${1:-$IQN}" -p "${2:-$PORTAL}" ${3:+-I "$3"} --login
}

logout()
{
	iscsiadm -m node -T "${1:-$IQN}" ${2:+-p "$2"} ${3:+-I "$3"} --logout
}

# set_digests VALUE: both digests of later logins, for example CRC32C or None.
set_digests()
{
	node_set 'node.conn[0].iscsi.HeaderDigest' "$1" &&
		node_set 'node.conn[0].iscsi.DataDigest' "$1"
}

# session_dirs IQN [IFACE]: the sysfs folders of its sessions.
session_dirs()
{
	local dir
	for dir in /sys/class/iscsi_session/session*; do
		[ "$(cat "$dir/targetname" 2>/dev/null)" = "$1" ] || continue
		[ -z "${2-}" ] || [ "$(cat "$dir/ifacename")" = "$2" ] || continue
		printf '%s\n' "$dir"
	done
}

session_count()
{
	session_dirs "$IQN" | wc -l
}

session_is()
{
	[ "$(cat "$1/state" 2>/dev/null)" = "$2" ]
}

# find_disk IQN LUN [IFACE]: prints /dev/sdX once the disk can be opened.
find_disk()
{
	local session dir
	for session in $(session_dirs "$1" "${3-}"); do
		for dir in "$session"/device/target*/*:"$2"/block/sd*; do
			[ -b "/dev/${dir##*/}" ] && [ "$(cat "$dir/size")" -gt 0 ] || continue
			printf '/dev/%s\n' "${dir##*/}"
			return 0
		done
	done
	return 1
}

# disk_of IQN LUN [IFACE]: the same, with a wait of bounded length.
disk_of()
{
	wait_for "$PATIENCE" find_disk "$@" || return 1
	find_disk "$@"
}

# sg_of DISK: the pass-through device of a disk.
sg_of()
{
	local dir
	for dir in "/sys/block/${1##*/}/device/scsi_generic/"sg*; do
		printf '/dev/%s\n' "${dir##*/}"
		return 0
	done
}

# attach: discovery, login and the wait for the first disk, which it names in
# the variable `disk`; ends the case when one of them fails.
attach()
{
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	attach_known
}

# attach_known: the same without discovery, which would undo node_set.
attach_known()
{
	login >/run/login.out 2>&1 || give_up 'login' "$(cat /run/login.out)"
	disk=$(disk_of "$IQN" "$(lun 0)") || give_up 'the disk appears' "$(dmesg | tail -n 20)"
}

detach()
{
	check 'logout' logout
	check_equal 'no session is left' "$(session_count)" 0
}

# reads_begin DISK: all of it is read in the background, over and over, until reads_end.
reads_begin()
{
	rm -f /run/reads.enough
	until [ -e /run/reads.enough ]; do
		dd if="$1" of=/dev/null bs=64k iflag=direct status=none || exit 1
	done &
	reader=$!
}

# reads_end: nothing of it has failed.
reads_end()
{
	: >/run/reads.enough
	wait "$reader"
}

# --- the target -------------------------------------------------------------

VM_TARGET=${VM_TARGET:-chiscsi}
# Each file offers target_load, target_unload and lun.
# shellcheck source=/dev/null
. "$GUEST_LIB/target_$VM_TARGET.sh"

# load_target [KEY=VALUE...]: the sample driver's parameters; defaults below.
load_target()
{
	local target_name=$IQN portal='PortalGroup=1@0.0.0.0:3260' lun_sizes_mb=64,64
	local entry
	local other=()
	for entry in "$@"; do
		case $entry in
		target_name=*) target_name=${entry#*=} ;;
		portal=*) portal=${entry#*=} ;;
		lun_sizes_mb=*) lun_sizes_mb=${entry#*=} ;;
		*) other+=("$entry") ;;
		esac
	done
	target_load "$target_name" "$portal" "$lun_sizes_mb" "${other[@]}"
}

unload_target()
{
	target_unload
}

# up [KEY=VALUE...]: loads the target and starts the initiator, or ends the case.
up()
{
	load_target "$@" >/run/load.out 2>&1 ||
		give_up 'the target loads' "$(cat /run/load.out; dmesg | tail -n 20)"
	wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"
	start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
}

# down: the other way round; every case that called `up` ends with it.
down()
{
	iscsiadm -m node --logoutall=all >/dev/null 2>&1 || :
	stop_initiator
	iscsiadm -m node -o delete >/dev/null 2>&1 || :
	check 'the target unloads' unload_target
}
