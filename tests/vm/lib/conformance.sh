# SPDX-License-Identifier: GPL-2.0-only
#
# conformance.sh - the target under the conformance driver (api-ddk/conformance).
#
# Sourced by test cases after guest.sh.  The driver does what its script says and
# judges the target by the rules of the API; a case writes the script, makes the
# initiator work, and at the end asks for the verdicts.

CONF=/sys/kernel/debug/chiscsi_conformance

# conf_up [KEY=VALUE...]: the engine, the conformance driver, the initiator.
conf_up()
{
	need_chiscsi
	[ -f /modules/chiscsi_conformance.ko ] || skip_case 'there is no chiscsi_conformance.ko'
	engine_load >/run/load.out 2>&1 || give_up 'chiscsi.ko loads' "$(cat /run/load.out)"
	insmod /modules/chiscsi_conformance.ko "target_name=$IQN" portal=1@0.0.0.0:3260 "$@" \
		>/run/load.out 2>&1 || give_up 'the conformance driver loads' "$(cat /run/load.out; dmesg | tail)"
	wait_for_port || give_up 'the target listens' "$(dmesg | tail -n 20)"
	start_initiator || give_up 'iscsid starts' "$(cat /run/iscsid.log)"
}

# conf_attach: logs in; a session that ended comes back soon, and commands do not
# wait for long when it does not.
conf_attach()
{
	discover_quietly || give_up 'discovery' "$(cat /run/discover.out)"
	node_set node.session.timeo.replacement_timeout 20
	node_set node.session.err_timeo.abort_timeout 4
	node_set node.session.err_timeo.lu_reset_timeout 5
	attach_known
	sg=$(sg_of "$disk")
}

# script LINE...: starts from the plain settings.
script()
{
	{ echo reset; printf '%s\n' "$@"; } >"$CONF/script"
}

# conf_do ACTION...: its status is the action's.
conf_do()
{
	echo "do $*" >"$CONF/script"
}

# conf_state NAME: one number of the driver's state.
conf_state()
{
	awk -v name="$1" '$1 == name { print $2 }' "$CONF/state"
}

# conf_state_is NAME VALUE
conf_state_is()
{
	[ "$(conf_state "$1")" = "$2" ]
}

# hook_seen TEXT: the driver's log has a line with it since the last "clear".
hook_seen()
{
	grep -qE -- "$1" "$CONF/log"
}

# sg_read BLOCKS FILE, sg_write BLOCKS FILE: READ(10) and WRITE(10) at block 0, once.
sg_read()
{
	sg_raw --timeout=60 -r $(($1 * 512)) -o "$2" "$sg" \
		28 00 00 00 00 00 00 "$(hex $(($1 / 256)))" "$(hex $(($1 % 256)))" 00
}

sg_write()
{
	sg_raw --timeout=60 -s $(($1 * 512)) -i "$2" "$sg" \
		2a 00 00 00 00 00 00 "$(hex $(($1 / 256)))" "$(hex $(($1 % 256)))" 00
}

hex()
{
	printf '%02x' "$1"
}

# held_read: a read of one block that the driver keeps, in the background.  The time
# of the initiator is short, for commands that a function ended without a word.
held_read()
{
	sg_raw --timeout=4 -r 512 "$sg" 28 00 00 00 00 00 00 00 01 00 >/run/held.out 2>&1 &
	reader=$!
	wait_for "$PATIENCE" conf_state_is due 1
}

disk_works()
{
	wait_for "$PATIENCE" dd if="$disk" of=/dev/null bs=64k count=4 iflag=direct
}

# kept RULE...: the rules were seen and not broken.
kept()
{
	local rule
	for rule in "$@"; do
		check_says "rule $rule" "^conformance: $rule ok [0-9]+" grep -F ": $rule " "$CONF/report"
	done
}

# conf_verdict: no rule at all is broken; prints those that are.
conf_verdict()
{
	local broken
	conf_do judge
	broken=$(grep FAILED "$CONF/report") || :
	if [ -z "$broken" ]; then
		ok 'no rule of the API is broken'
	else
		not_ok 'no rule of the API is broken' "$broken"
		grep -B 12 BREACH "$CONF/log" | tail -n 60 | sed 's/^/#   /'
	fi
}

# conf_down: answers what is owed, logs out, takes the modules away.
conf_down()
{
	script
	conf_do release
	iscsiadm -m node --logoutall=all >/dev/null 2>&1 || :
	check 'every command was cleaned up' wait_for "$PATIENCE" conf_state_is held 0
	check 'every session was removed' wait_for "$PATIENCE" conf_state_is sessions 0
	conf_verdict
	stop_initiator
	iscsiadm -m node -o delete >/dev/null 2>&1 || :
	check 'the driver unloads' timeout 120 rmmod chiscsi_conformance
	check 'the target unloads' rmmod chiscsi
}
