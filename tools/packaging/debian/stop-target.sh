# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Put into the scripts that dpkg calls before a package goes, where they say
# #STOP_TARGET#; this head, to the first empty line, is left out.

# Ends every session in order and unloads the modules.  Refuses, before anything has
# ended, when storage drivers hold them.
stop_target() {
	[ -d /sys/module/chiscsi ] || return 0
	drivers=$(cd /sys/module/chiscsi/holders && echo * | sed 's/^\*$//; s/chiscsi_cxgb4//; s/^ *//')
	if [ -n "$drivers" ]; then
		echo "$DPKG_MAINTSCRIPT_PACKAGE: in use by storage drivers; unload them first: rmmod $drivers" >&2
		return 1
	fi
	[ ! -d /run/systemd/system ] || systemctl stop chelsio-target.service 2> /dev/null || :
	# Whatever was started in another way.
	[ ! -x /usr/lib/chiscsi/chelsio-target ] || /usr/lib/chiscsi/chelsio-target stop || :
	for module in chiscsi_cxgb4 chiscsi; do
		[ ! -d "/sys/module/$module" ] || rmmod "$module" 2> /dev/null || :
	done
	[ -d /sys/module/chiscsi ] || return 0
	echo "$DPKG_MAINTSCRIPT_PACKAGE: the module chiscsi is in use and cannot be unloaded (see lsmod)" >&2
	return 1
}
