#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# serve.sh - the guest's half of tests/vm/serve.
#
# Loads a target (by iscsictl and a configuration file, by given insmod lines,
# or the library's default), prints READY once the portal accepts connections
# and then waits.  /job/insmod holds one line per module, /job/chiscsi.conf and
# /job/setup are there when they were asked for.

set -eu
# shellcheck source=tests/vm/lib/guest.sh
. "${GUEST_LIB:-/tests/lib}/guest.sh"

# insmod_line MODULE [PARAMETER...]
insmod_line()
{
	local module=${1##*/}
	shift
	if [ "$module" = chiscsi.ko ] && [ -d /sys/module/chiscsi ]; then return 0; fi
	load_needs "/modules/$module"
	insmod "/modules/$module" "$@"
}

# The engine comes first unless a line loads it with parameters of its own.
insmod_lines()
{
	local line
	grep -q '^[^ ]*chiscsi.ko' /job/insmod || engine_load
	set -f
	while read -r line; do
		# shellcheck disable=SC2086 # The line is a list of words.
		insmod_line $line
	done </job/insmod
	set +f
}

configured()
{
	mkdir -p /etc/chiscsi
	cp /job/chiscsi.conf /etc/chiscsi/chiscsi.conf
	engine_load
	iscsictl -S target=ALL
}

start_target()
{
	if [ -f /job/setup ]; then bash /job/setup; fi
	if [ -s /job/insmod ]; then insmod_lines; fi
	if [ -f /job/chiscsi.conf ]; then configured; fi
	if [ ! -s /job/insmod ] && [ ! -f /job/chiscsi.conf ] && [ ! -f /job/setup ]; then
		load_target
	fi
}

start_target
wait_for_port 127.0.0.1 "${1:-3260}" || { echo 'the target does not listen'; exit 1; }
echo READY
# The machine lives until the emulator is stopped from outside.
exec sleep "${2:-1000000000}"
