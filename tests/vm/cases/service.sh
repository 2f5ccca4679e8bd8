#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# service.sh - the boot service, with and without a file, and under load.
#
# Runs in the test machine.  No file and no target are fine and are said.  Two
# ports are read all the time while the service is stopped and started again: the
# initiator waits, comes back and reads the same.  A reload keeps the sessions.
# chisns comes and goes with the service, also when its server is silent, and goes on when a reload
# changes nothing for it.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"
# shellcheck source=tests/vm/lib/isns.sh
. "$GUEST_LIB/isns.sh"

need_chiscsi
command -v chelsio-target >/dev/null || skip_case 'there is no chelsio-target'
command -v iscsictl >/dev/null || skip_case 'there is no iscsictl'
klog_mark service

IQN=iqn.2026-11.org.example:service
modules=/lib/modules/$(uname -r)
conf=/etc/chiscsi/chiscsi.conf
is_loaded() { [ -d /sys/module/chiscsi ]; }
# depmod is the same program as modprobe.
make_index() { (exec -a depmod "$(readlink -f "$(command -v modprobe)")"); }

mkdir -p "$modules/updates" /etc/chiscsi
cp /modules/chiscsi.ko "$modules/updates/"
make_index || give_up 'depmod' 'it failed'

check_says 'status before: not loaded' 'not loaded' sh -c 'chelsio-target status; [ $? -eq 3 ]'
check 'stop is fine then' chelsio-target stop
check_says 'start without a file says so' 'no configuration file' chelsio-target start
check 'and loads the module' is_loaded
check 'stop' chelsio-target stop
check_fails 'stop unloads it' is_loaded
echo '# nothing' >$conf
check_says 'start without a target says so' 'no target in it' chelsio-target start
check 'stop' chelsio-target stop

bad_target()
{
	printf 'target:\nTargetName=%s\nTargetDevice=/run/absent,FILE\nPortalGroup=1@0.0.0.0:3262\n' \
		"$IQN-absent"
}
# exits STATUS COMMAND...
exits()
{
	local wanted=$1 status=0
	shift
	"$@" || status=$?
	[ "$status" -eq "$wanted" ]
}
service() { chelsio-target "$1" >/run/service.out 2>&1; }
bad_target >$conf
check 'start of a bad target alone fails' exits 1 service start
check_says 'it says which' "$IQN-absent: " cat /run/service.out
sed -i '1i nonsense' $conf
check 'so does start with a file that cannot be read' exits 1 service start
check_says 'it says so' 'nothing is changed' cat /run/service.out
check 'stop' chelsio-target stop

dd if=/dev/urandom of=/run/disk.img bs=1M count=16 status=none
cp /run/disk.img /run/pattern
cat >$conf <<-CONF
	target:
	TargetName=$IQN
	TargetDevice=/run/disk.img,FILE
	PortalGroup=1@0.0.0.0:3260,0.0.0.0:3261
CONF
# Of one bad target the others do not suffer.
cp $conf /run/good.conf
bad_target >>$conf
check 'start of a good target and a bad one' service start
check_says 'it warns' '^chelsio-target: warning: some targets are refused' cat /run/service.out
check_says 'the good one is active' '1 active target' chelsio-target status
check 'a reload fails then' exits 1 service reload
check_says 'and warns' '^chelsio-target: warning: some targets are refused' cat /run/service.out
check_says 'the good one stays' '1 active target' chelsio-target status
check 'stop' chelsio-target stop
cp /run/good.conf $conf
check 'start with a target' chelsio-target start
check_says 'status' '1 active target' chelsio-target status
wait_for_port || give_up 'it listens' "$(dmesg | tail -n 20)"
start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
# Reads wait for the service as long as it takes.
node_set node.session.timeo.replacement_timeout 300
for port in 3260 3261; do
	login "$IQN" "127.0.0.1:$port" >/run/login.out 2>&1 || give_up "login at $port" "$(cat /run/login.out)"
done
two_disks() { [ "$(find_disks | wc -l)" -eq 2 ]; }
find_disks() { (cd /sys/block && ls -d sd*) 2>/dev/null; }
wait_for "$PATIENCE" two_disks || give_up 'both disks appear' "$(dmesg | tail -n 20)"

readers=
for disk in $(find_disks); do
	(while [ ! -e /run/enough ]; do
		dd if="/dev/$disk" bs=1M iflag=direct status=none | cmp - /run/pattern || exit 1
	done) >"/run/reader.$disk" 2>&1 &
	readers="$readers $!"
done
handles() { iscsictl -r "target=$IQN" | sed -n 's/^SESSION: handle=\([^,]*\),.*/\1/p' | sort; }
before=$(handles)
check 'reload under load' chelsio-target reload
check_equal 'it keeps the sessions' "$(handles)" "$before"
both_are_back() { [ "$(handles | wc -l)" -eq 2 ]; }
for round in 1 2 3; do
	check "stop under load, round $round" chelsio-target stop
	check_fails 'the module is gone' is_loaded
	check 'start' chelsio-target start
	check 'both sessions are back' wait_for 120 both_are_back
done
touch /run/enough
for reader in $readers; do
	check 'a reader has read nothing wrong' wait "$reader"
done
iscsiadm -m node --logoutall=all >/dev/null 2>&1 || :
check 'stop at the end' chelsio-target stop
stop_initiator
check_fails 'the module is gone' is_loaded

# Without chisns, whoever has its number is left alone.
sleep 1000 &
stranger=$!
echo $stranger >/run/chisns.pid
check 'stop with an old pid file' chelsio-target stop
check_fails 'a stranger goes on' has_ended $stranger
kill $stranger 2>/dev/null || :

has_list() { iscsictl -c "target=$IQN" --json | grep -q isns_version; }
chisns_runs() { [ "$(cat "/proc/$1/comm")" = chisns ]; }

if command -v isnsd >/dev/null && command -v chisns >/dev/null; then
	isns_begin
	check 'an iSNS server' start_isnsd
	sed -i "1i global:\\n    isns_server=$ISNS_SERVER" $conf
	# Whoever reads what it says sees the end of it.
	check 'start, and nobody holds its output' timeout "$PATIENCE" sh -c 'chelsio-target start | cat'
	first=$(cat /run/chisns.pid)
	check 'chisns runs' chisns_runs "$first"
	check 'it brings the list of initiators' wait_for "$PATIENCE" has_list
	# The server's last word holds while it is silent, whatever the file has new.
	kill -STOP "$isnsd"
	sed -i 's/TargetName=.*/&\n\tTargetAlias=news/' $conf
	check 'reload while the server is silent' chelsio-target reload
	check_says 'it has changed the target' 'TargetAlias=news' iscsictl -c "target=$IQN" -k TargetAlias
	check_equal 'chisns goes on' "$(cat /run/chisns.pid)" "$first"
	check 'it runs' chisns_runs "$first"
	check 'the list stays in force' has_list
	kill -CONT "$isnsd"
	sed -i 's/isns_server=.*/&\n    isns_query=7/' $conf
	check 'reload with news for chisns' chelsio-target reload
	check 'the old chisns has ended' has_ended "$first"
	second=$(cat /run/chisns.pid)
	check 'a new one runs' chisns_runs "$second"
	check 'it has its socket' [ -S /run/chisns.socket ]
	kill -STOP "$isnsd"
	check 'stop while the server is silent' chelsio-target stop
	check 'chisns has ended' has_ended "$second"
	check_fails 'the module is gone' is_loaded
	kill -CONT "$isnsd"
	kill "$isnsd"
fi
rm -r "$modules/updates" /etc/chiscsi
make_index || :
check_klog 'the kernel log is clean' service
finish
