#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# iscsictl.sh - the administrator's tool against the real module.
#
# Runs in the test machine.  Without the module nothing is active and nothing is
# loaded; with it a file starts targets of every built-in class, what is shown can
# be read by programs, sessions are listed and dropped, globals change, the active
# targets are written to a file that starts the same, and everything stops again.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

need_chiscsi
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark iscsictl

iqn=iqn.2026-11.org.example:disk
conf=/run/chiscsi.conf

# The test machine has depmod only as another name of modprobe.
index_modules()
{
	if command -v depmod >/dev/null; then depmod; else
		(exec -a depmod "$(readlink -f "$(command -v modprobe)")")
	fi
}

is_loaded() { [ -d /sys/module/chiscsi ]; }

check_says 'without the module: no active target' '^no active target$' iscsictl -c
check_says 'a named target is not found' 'NOT found' sh -c "iscsictl -c target=$iqn; [ \$? -eq 1 ]"
check_says 'nor can it be stopped' 'is not found' sh -c "iscsictl -s target=$iqn 2>&1; [ \$? -eq 1 ]"
check 'unless that is all right' iscsictl -s "target=$iqn" --if-exists
check_fails 'no globals' iscsictl -g
check_says 'status says so' 'not loaded' sh -c 'iscsictl status; [ $? -eq 3 ]'
check_fails 'nothing of that has loaded the module' is_loaded

dd if=/dev/zero of=/run/disk.img bs=1M count=32 status=none
cat >$conf <<-CONF
	global:
	    iscsi_login_complete_time=60
	target:
	    TargetName=$iqn
	    TargetAlias=from the file
	    TargetDevice=ram,MEM,size=16MB
	    TargetDevice=/run/disk.img,FILE
	    PortalGroup=1@0.0.0.0:3260
	    Auth_CHAP_Initiator="host":"hush-hush-hush"
	target:
	    TargetName=$iqn-b
	    TargetDevice=ram,MEM,size=8MB
	    PortalGroup=1@0.0.0.0:3261
CONF
chmod 600 $conf
check_says 'the file is good' '2 targets, no mistake' iscsictl --check -f $conf
sed 's/MEM,size=8MB/MEM,size=8/; s/TargetAlias/TargetAlais/' $conf >/run/bad.conf
check_says 'a bad one: the unknown key, with its line' '^/run/bad.conf:5: TargetAlais: unknown key, did you mean TargetAlias' \
	sh -c '! iscsictl --check -f /run/bad.conf 2>&1'
check_says 'and the bad size in the same go' '^/run/bad.conf:12: TargetDevice: ' \
	sh -c '! iscsictl --check -f /run/bad.conf 2>&1'
check_fails 'still nothing is loaded' is_loaded

# completed WORD: what bash makes of `iscsictl -S -f FILE WORD<TAB>` with a file of evil names.
completed()
{
	cat >/run/evil.conf <<-'CONF'
		target:
		    TargetName=$(touch${IFS}/run/touched-1)
		    TargetName=`touch /run/touched-2`
		    TargetName=iqn.2026-11.org.example:good
	CONF
	bash -c '. "$(dirname "$(command -v iscsictl)")/iscsictl.bash"
		COMP_LINE="iscsictl -S -f /run/evil.conf $1" COMP_POINT=${#COMP_LINE}
		COMP_WORDS=(iscsictl -S -f /run/evil.conf target = "${1#*=}") COMP_CWORD=6
		_iscsictl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}
check_equal 'names are completed' "$(completed target=iqn)" iqn.2026-11.org.example:good
check_says 'among all' '^ALL$' completed target=
check_fails 'and nothing in a name is run' sh -c 'ls /run/touched-*'

# Where modprobe finds it, as after an installation.
modules=/lib/modules/$(uname -r)
mkdir -p "$modules/updates"
cp /modules/chiscsi.ko "$modules/updates/"
index_modules || give_up 'depmod' 'it failed'
check 'all targets start, and the module is loaded' iscsictl -S target=ALL -f $conf
check 'there it is' is_loaded
check 'the first one listens' wait_for_port
check 'the second one, too' wait_for "$PATIENCE" port_open 127.0.0.1 3261
check_says 'the listing' "^TARGET: $iqn, id=[0-9]+, login_ip=0\$" iscsictl -c
check_says 'a device with its identity' ',MEM,.*PROD=.+,SN=.+,ID=.+,WWN=' iscsictl -c
check_says 'all keys of a named one' '^        TargetAlias=from the file$' iscsictl -c "target=$iqn"
check_says 'accounts without their secrets' 'Auth_CHAP_Initiator="host":"\*\*\*"' iscsictl -c "target=$iqn"
check_says 'one key alone' '^        MaxBurstLength=262144$' iscsictl -c "target=$iqn" -k MaxBurstLength
check_says 'globals of the file' '^iscsi_login_complete_time=60$' iscsictl -g
check_says 'status' '2 active targets, 0 sessions' iscsictl status

grep -qs '^nobody:' /etc/passwd || echo 'nobody:x:65534:65534::/:/bin/sh' >>/etc/passwd
check_says 'who is not root is told so' '^iscsictl: only root may open /dev/chiscsi$' \
	sh -c '! su -s /bin/sh nobody -c "iscsictl -c" 2>&1'
chmod 644 $conf
check_says 'and may look at a file all the same' '2 targets, no mistake' \
	su -s /bin/sh nobody -c "iscsictl --check -f $conf"
chmod 600 $conf

IQN=$iqn
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
login >/run/login.out 2>&1 || give_up 'login' "$(cat /run/login.out)"
disk=$(disk_of "$IQN" 0) || give_up 'the disk appears' "$(dmesg | tail -n 20)"
check 'the file is LUN 1' disk_of "$IQN" 1
dd if=/dev/urandom of=/run/pattern bs=1M count=4 status=none
check 'write' dd if=/run/pattern of="$disk" bs=1M oflag=direct status=none
check 'read back' cmp -n 4194304 /run/pattern "$disk"

check_says 'the session is listed' '^SESSION: handle=.*initiator=iqn' iscsictl -r "target=$iqn"
check_says 'and its connection' '^        CONNECTION: cid=' iscsictl -r "target=$iqn"
check_says 'as JSON' '"connections": \[' iscsictl -r "target=$iqn" --json
check_says 'not for another initiator' '^no session$' iscsictl -r "target=$iqn" -k initiator=iqn.x:nobody
iscsictl top --count 2 --interval 1 >/run/top.out 2>&1 &
top=$!
while ! has_ended "$top"; do dd if="$disk" of=/dev/null bs=64k count=16 iflag=direct status=none; done
check_says 'top sees the target, and how long its commands took' "^all .* [1-9][0-9]* +[1-9][0-9]*  $iqn" cat /run/top.out
check_says 'and the session' "^[0-9a-f]+ .* [1-9][0-9]* +[1-9][0-9]*  $iqn  $INITIATOR" cat /run/top.out
check_says 'as JSON' '"latency_99_percent_below_us": ' iscsictl top --json --count 1 --interval 1
check 'flush' iscsictl -F "target=$iqn"
check 'flush of one LUN' iscsictl -F "target=$iqn" -k lun=1
check_fails 'flush of a LUN that is not there' iscsictl -F "target=$iqn" -k lun=9

check_says 'the access state' '^        Access=1:optimized$' iscsictl -A
check_says 'sg_rtpg agrees' 'asymmetric access state : 0x00' sg_rtpg "$disk"
check 'the group becomes standby' iscsictl -A "target=$iqn" group=1 state=standby
check_says 'the initiator hears of it' 'Asymmetric access state changed' sg_raw -v "$disk" 00 00 00 00 00 00
check_says 'sg_rtpg sees it' 'asymmetric access state : 0x02' sg_rtpg "$disk"
check_says 'so does the listing' '^        Access=1:standby$' iscsictl -c "target=$iqn"
check_says 'as JSON' '"state": "standby"' iscsictl --access "target=$iqn" --json
check_fails 'nothing is read' dd if="$disk" of=/dev/null bs=64k count=1 iflag=direct
check_fails 'a state that is none' iscsictl -A "target=$iqn" group=1 state=asleep
check_fails 'a group that is none' iscsictl -A "target=$iqn" group=2 state=standby
check 'optimized again' iscsictl -A "target=$iqn" group=1 state=optimized
check_says 'it hears of that, too' 'Asymmetric access state changed' sg_raw -v "$disk" 00 00 00 00 00 00
check 'and reads' dd if="$disk" of=/dev/null bs=64k count=1 iflag=direct

handle=$(iscsictl -r "target=$iqn" | sed -n 's/^SESSION: handle=\([^,]*\),.*/\1/p')
check 'the session is dropped' iscsictl -D "$handle"
other_handle()
{
	local now
	now=$(iscsictl -r "target=$iqn" | sed -n 's/^SESSION: handle=\([^,]*\),.*/\1/p')
	[ -n "$now" ] && [ "$now" != "$handle" ]
}
check 'the initiator comes back with another one' wait_for "$PATIENCE" other_handle
check_fails 'the old handle is gone' iscsictl -D "$handle"
check 'the data is still there' cmp -n 4194304 /run/pattern "$disk"

check 'a global changes' iscsictl -G iscsi_target_vendor_id=EXAMPLE
check_says 'and is shown' '^iscsi_target_vendor_id=EXAMPLE$' iscsictl -g
check_fails 'a bad one is refused' iscsictl -G iscsi_login_complete_time=9999 isns_query=30
check_says 'the good one beside it is not' '^isns_query=30$' iscsictl -g
check 'back' iscsictl -G iscsi_target_vendor_id=CHISCSI isns_query=60

logout >/dev/null
check 'the second target stops' iscsictl -s "target=$iqn-b"
cp $conf /run/written.conf
check 'what is active is written' iscsictl -W -f /run/written.conf
check 'the old text is kept' cmp $conf /run/written.conf.bak
check_equal 'mode of the file' "$(stat -c %a /run/written.conf)" 600
check_fails 'without the stopped target' grep -q "$iqn-b" /run/written.conf
check 'with the secret' grep -q hush-hush-hush /run/written.conf
iscsictl -c "target=$iqn" | tail -n +3 >/run/before
# A full disk: what was there stays as it was.
mkdir -p /run/small && mount -t tmpfs -o size=16k tmpfs /run/small
cp /run/written.conf /run/small/kept.conf
dd if=/dev/zero of=/run/small/fill bs=4k status=none 2>/dev/null || :
check_says 'a full disk is said' 'No space left on device' sh -c '! iscsictl -W -f /run/small/kept.conf 2>&1'
check 'and keeps the old file' cmp /run/written.conf /run/small/kept.conf
check_equal 'with nothing beside it' "$(cd /run/small && echo *)" 'fill kept.conf'
umount /run/small

# killed_writers: a file that writers die over is one of those that were written, as a whole.
killed_writers()
{
	local round pid
	for round in $(seq 60); do
		iscsictl -W -f /run/killed.conf &
		pid=$!
		# From before it has begun to after its end.
		sleep "$(printf '0.%03d' $((round * 5)))"
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		[ ! -e /run/killed.conf ] || iscsictl --check -f /run/killed.conf >/dev/null || return 1
	done
	cmp /run/written.conf /run/killed.conf
}
check 'a file whose writers are killed is whole' killed_writers
rm -f /run/killed.conf*

# Two reloads at once: each one whole, and both files say the same in the end.
both_reload()
{
	local first second round
	for round in $(seq 5); do
		iscsictl -S "target=$iqn" -f /run/written.conf & first=$!
		iscsictl -S "target=$iqn" -f /run/written.conf & second=$!
		wait $first && wait $second || return 1
	done
}
check 'two reloads at once' both_reload
check 'leave what they say' sh -c "iscsictl -W -f /run/again.conf && cmp /run/written.conf /run/again.conf"

check 'the first target stops' iscsictl -s target=ALL
check_says 'nothing is active' '^no active target$' iscsictl -c
check 'the written file starts it again' iscsictl -S target=ALL -f /run/written.conf
iscsictl -c "target=$iqn" | tail -n +3 >/run/after
check 'just as it was' diff /run/before /run/after
check 'the end' iscsictl -s target=ALL
stop_initiator
check 'the module can go' unload_target
rm -r "$modules/updates"
index_modules || :
check_klog 'the kernel log is clean' iscsictl
finish
