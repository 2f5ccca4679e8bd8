# SPDX-License-Identifier: GPL-2.0-only
#
# disk.sh - builds a disk whose system starts by systemd and survives a reboot.
#
# Sourced by tests/vm/machines after host.sh; host side only.  It is the test machine's
# root (image.sh), Debian's own systemd with few of its units, open-iscsi's units, Debian's
# apt and dpkg with a record of what the root has, and our packages by `make deb`, not yet
# installed.  The machine is started with --disk FILE and
# --append chiscsi.disk; its job is then a service, and it ends by a shutdown.

# shellcheck disable=SC2154 # Variables of host.sh.

# Wanted by the boot, as packages have it; everything else that Debian starts is not needed here.
DISK_WANTED='local-fs.target.wants/systemd-remount-fs.service
	sockets.target.wants/systemd-journald-dev-log.socket
	sockets.target.wants/systemd-journald.socket sockets.target.wants/systemd-udevd-control.socket
	sockets.target.wants/systemd-udevd-kernel.socket sockets.target.wants/iscsid.socket
	sysinit.target.wants/systemd-journald.service sysinit.target.wants/systemd-modules-load.service
	sysinit.target.wants/systemd-tmpfiles-setup-dev.service sysinit.target.wants/systemd-udevd.service
	sysinit.target.wants/systemd-udev-trigger.service sysinit.target.wants/open-iscsi.service
	multi-user.target.wants/remote-fs.target'
DISK_UNITS='systemd-fsck@.service systemd-fsck-root.service systemd-reboot.service systemd-poweroff.service
	systemd-remount-fs.service systemd-journald.service systemd-journald.socket
	systemd-journald-dev-log.socket systemd-udevd.service systemd-udev-trigger.service
	systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-modules-load.service
	systemd-tmpfiles-setup-dev.service iscsid.service iscsid.socket open-iscsi.service'
DISK_PROGRAMS='systemctl systemd-tmpfiles journalctl /usr/lib/systemd/systemd
	/usr/lib/systemd/systemd-shutdown /usr/lib/systemd/systemd-journald
	/usr/lib/systemd/systemd-fsck /usr/lib/systemd/systemd-remount-fs
	/usr/lib/systemd/systemd-modules-load
	/usr/lib/systemd/system-generators/systemd-fstab-generator'
DISK_UDEV_RULES='80-drivers 99-systemd'

# Packages that are there as a whole, and such as the root has the needed parts of.
DISK_WHOLE='apt dpkg init-system-helpers perl-base tar'
DISK_PARTS='kmod libc6 libc-bin systemd udev open-iscsi e2fsprogs util-linux'
# Where a user who has typed `make deb` is.
DISK_FOLDER=/root/chiscsi

# disk_build FILE
disk_build()
{
	local root base
	vm_find_kernel
	base=$(image_base "$vm_release" "$vm_module_dir") || return 1
	root=$(mktemp -d)
	(cd "$root" && cpio -idm --quiet --no-absolute-filenames <"$base") &&
		disk_systemd "$root" &&
		disk_debian "$root" &&
		disk_product "$root" &&
		image_libraries "$root" &&
		truncate -s 512M "$1" &&
		mke2fs -q -t ext4 -F -L root -E root_owner=0:0 -d "$root" "$1"
	local status=$?
	rm -rf "$root"
	return $status
}

disk_systemd()
{
	local root=$1 name from=/usr/lib/systemd
	mkdir -p "$root$from/system" "$root/etc/systemd/system" "$root/var/lib/systemd"
	cp -P $from/system/*.target "$root$from/system/"
	for name in $DISK_UNITS; do cp "$from/system/$name" "$root$from/system/" || return 1; done
	for name in $DISK_WANTED; do
		mkdir -p "$root/etc/systemd/system/${name%/*}"
		ln -s "$from/system/${name##*/}" "$root/etc/systemd/system/$name"
	done
	for name in $DISK_PROGRAMS; do
		case $name in /*) ;; *) name=$(image_find "$name") ;; esac
		install -D -m 755 "$name" "$root$(image_place "$name")" || return 1
	done
	for name in $DISK_UDEV_RULES; do
		cp "/usr/lib/udev/rules.d/$name.rules" "$root/usr/lib/udev/rules.d/" || return 1
	done
	cp -r /usr/lib/open-iscsi "$root/usr/lib/" && cp /etc/iscsi/iscsid.conf "$root/etc/iscsi/" || return 1
	ln -sf ../lib/systemd/systemd "$root/usr/sbin/init"
	ln -sf multi-user.target "$root$from/system/default.target"
	: >"$root/etc/machine-id"
	printf 'ID=debian\nNAME=test\n' >"$root/etc/os-release"
	printf '/dev/vda / ext4 rw 0 1\n' >"$root/etc/fstab"
	disk_job "$root"
}

# disk_job ROOT: the script of tests/vm/run as a service.
disk_job()
{
	cat >"$1/etc/systemd/system/test-job.service" <<-'END'
		[Unit]
		Description=the job of the test machine
		After=multi-user.target
		[Service]
		Type=simple
		ExecStart=/init job
		StandardOutput=journal+console
		KillMode=process
	END
	mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
	ln -s ../test-job.service "$1/etc/systemd/system/multi-user.target.wants/"
}

# disk_debian ROOT: the programs that install packages, and their record.
disk_debian()
{
	local root=$1 name db=$1/var/lib/dpkg
	dpkg-query -L $DISK_WHOLE | grep -vE '^/usr/share/(doc|man|locale|lintian|bug)/' | sort -u | while read -r name; do
		[ -d "$name" ] || printf '%s\n' "$name"
	done | tar -C / -cf - --no-recursion -P -T - | tar -xf - -C "$root" --transform 's,^/,,' || return 1
	cp "$(image_find ldconfig)" "$root/usr/sbin/" || return 1
	mkdir -p "$db/info" "$db/updates" "$db/triggers" "$root/var/cache/apt/archives/partial" \
		"$root/var/lib/apt/lists/partial" "$root/etc/apt/apt.conf.d" "$root/etc/apt/preferences.d" \
		"$root/etc/apt/sources.list.d" "$root/var/log/apt"
	: >"$root/etc/apt/sources.list"
	echo '_apt:x:42:65534::/nonexistent:/usr/sbin/nologin' >>"$root/etc/passwd"
	echo 1 >"$db/info/format"
	# Whole files of other packages are not here, so neither is what these want of each other.
	dpkg-query -W -f 'Package: ${Package}\nStatus: ${Status}\nMaintainer: nobody\nArchitecture: ${Architecture}
Multi-Arch: ${Multi-Arch}\nVersion: ${Version}\nDescription: of the test machine\n\n' \
		$DISK_WHOLE $DISK_PARTS "linux-image-$vm_release" | sed '/: $/d' >"$db/status" || return 1
	for name in $(dpkg-query -W -f '${binary:Package}\n' $DISK_WHOLE $DISK_PARTS "linux-image-$vm_release"); do
		: >"$db/info/$name.list"
	done
}

# What an administrator's `make deb` makes, in the folder where it is made.
disk_product()
{
	local said
	said=$(make -C "$vm_repo" --no-print-directory deb 2>&1) || { printf '%s\n' "$said" >&2; return 1; }
	mkdir -p "$1$DISK_FOLDER/build/deb"
	cp "$vm_repo"/build/deb/*.deb "$1$DISK_FOLDER/build/deb/"
}
