# SPDX-License-Identifier: GPL-2.0-only
#
# isns.sh - an iSNS server in the test machine, and chisns beside it.
#
# Sourced by test cases after guest.sh.  The server is isnsd of open-isns.  What both
# keep is in $folder, which no other case has; they end with the case at the latest.

# shellcheck disable=SC2034 # Variables for the cases.

ISNS_SERVER=127.0.0.1:3205
isnsd=
chisns=

# isns_begin [PROGRAM...]: skips the case without one of these.
isns_begin()
{
	local program
	for program; do
		command -v "$program" >/dev/null || skip_case "there is no $program"
	done
	folder=$(mktemp -d /run/isns.XXXXXX)
	trap isns_end EXIT
}

isns_end()
{
	[ -z "$chisns" ] || kill "$chisns" 2>/dev/null || :
	[ -z "$isnsd" ] || kill "$isnsd" 2>/dev/null || :
}

start_isnsd()
{
	mkdir "$folder/db"
	cat >"$folder/conf" <<-END
		SourceName = iqn.2026-11.org.example:server
		Database = $folder/db
		DefaultDiscoveryDomain = 1
		Security = 0
		SLPRegister = 0
		BindAddress = $ISNS_SERVER
		PIDFile = $folder/pid
		ControlSocket = $folder/control
	END
	isnsd -f -4 -c "$folder/conf" >"$folder/isnsd.log" 2>&1 &
	isnsd=$!
	wait_for_port "${ISNS_SERVER%:*}" "${ISNS_SERVER#*:}"
}

# start_chisns SECONDS: it asks the server for news as often.
start_chisns()
{
	chisns server=$ISNS_SERVER id=vm "query=$1" >>"$folder/chisns.log" 2>&1 &
	chisns=$!
}
