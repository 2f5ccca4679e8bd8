# SPDX-License-Identifier: GPL-2.0-only
#
# image.sh - builds the root file system of the test machine.
#
# Sourced by host.sh; host side only.  The root is a cpio archive of busybox,
# real programs with their shared libraries, and a few kernel modules of the
# chosen kernel.  It is built once per set of inputs and kept in the cache
# directory, outside the repository; every run appends a small second archive
# with our modules and the job.  Nothing here needs a mount or a loop device.

# Kernel modules which guests may load; dependencies are added.
IMAGE_MODULES='virtio_pci virtio_net virtio_blk configfs loop brd dummy veth tun
	iscsi_tcp sd_mod sg scsi_debug ext4 dm_mod dm_multipath dm_service_time dm_round_robin
	scsi_dh_alua
	crc32c_generic crc32c_intel libcrc32c crc32_pclmul crct10dif_pclmul
	md5 sha1_generic sha256_generic sha3_generic hmac
	target_core_mod target_core_file target_core_iblock iscsi_target_mod
	inet_diag tcp_diag sch_netem sch_tbf
	cxgb4 libcxgb cxgbit'

# Programs which must be real ones, and programs taken only when present.
IMAGE_PROGRAMS='bash dash kmod ip ss mount umount lsblk blkid dmesg losetup
	iscsid iscsiadm iscsi-iname fio mke2fs e2fsck resize2fs dumpe2fs tune2fs
	udevadm dd cmp grep sed mawk timeout stty od head tail cut sort stat
	sha256sum md5sum truncate findmnt flock setsid taskset'
IMAGE_OPTIONAL='isnsd isnsadm tgtd tgtadm tgtimg iscsi-inq iscsi-ls iscsi-readcapacity16
	iscsi-test-cu iscsi-swp iscsi-perf multipath multipathd kpartx dmsetup
	strace perf bpftrace iscsistart nproc scsi_id tc'

IMAGE_UDEV_RULES='50-udev-default 60-block 60-persistent-storage 55-dm 56-dm-mpath
	60-multipath 60-persistent-storage-dm'

# vm_lib comes from host.sh.
# shellcheck disable=SC2154

# image_key RELEASE MODULE_DIR: a hash of everything the image is made from.
image_key()
{
	{
		cat "$vm_lib/image.sh" "$vm_lib/init"
		dpkg-query -W -f '${Package} ${Version} ${Status}\n' 2>/dev/null
		printf '%s\n' "$1"
		stat -c '%Y %s' "$2/modules.dep"
	} | sha256sum | cut -c1-20
}

# image_base RELEASE MODULE_DIR: prints the path of a finished base archive.
image_base()
{
	local key out
	key=$(image_key "$1" "$2")
	out="$CACHE/vm/base-$1-$key.cpio"
	mkdir -p "$CACHE/vm"
	(
		flock 9
		[ -s "$out" ] && exit 0
		note "building the test machine's root for $1 (kept in $CACHE/vm)"
		image_build "$1" "$2" "$out" >&2
		image_prune "$1" "$out"
	) 9>"$CACHE/vm/lock" || die 'the root of the test machine could not be built'
	touch "$out"
	printf '%s\n' "$out"
}

# Keeps the three newest images of one kernel: another run may still read one.
image_prune()
{
	# shellcheck disable=SC2012 # The names are ours and hold no blanks.
	ls -t "$CACHE/vm/base-$1-"*.cpio | tail -n +4 | while read -r old; do
		[ "$old" = "$2" ] || rm -f "$old"
	done
}

image_build()
{
	local root
	root=$(mktemp -d)
	image_skeleton "$root" &&
		image_programs "$root" &&
		image_busybox "$root" &&
		image_modules "$root" "$1" "$2" &&
		image_config "$root" &&
		image_pack "$root" "$3.tmp" &&
		mv "$3.tmp" "$3"
	local status=$?
	rm -rf "$root"
	return $status
}

image_skeleton()
{
	local root=$1 dir
	mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib/x86_64-linux-gnu" \
		"$root/usr/lib64" "$root/dev" "$root/proc" "$root/sys" "$root/run" \
		"$root/tmp" "$root/root" "$root/mnt" "$root/job" "$root/modules" \
		"$root/tests" "$root/etc/iscsi" "$root/var/lib/iscsi" \
		"$root/etc/udev/rules.d" "$root/etc/chiscsi"
	for dir in bin sbin lib lib64; do
		ln -s "usr/$dir" "$root/$dir"
	done
	ln -s ../run "$root/var/run"
	ln -s ../run/lock "$root/var/lock"
	chmod 1777 "$root/tmp"
}

# image_find NAME: the path of a program, also outside root's usual PATH.
image_find()
{
	PATH="/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/udev:$PATH" command -v "$1"
}

image_programs()
{
	local root=$1 name path list=
	for name in $IMAGE_PROGRAMS; do
		path=$(image_find "$name") || die "$name is not installed; see tests/vm/README.md"
		list="$list $path"
	done
	for name in $IMAGE_OPTIONAL; do
		if path=$(image_find "$name"); then list="$list $path"; fi
	done
	for path in $list /usr/bin/sg_*; do
		if file_is_elf "$path" || [ -f "$path" ]; then
			install -D -m 755 "$path" "$root$(image_place "$path")"
		fi
	done
	# What multipath asks about paths with; it loads them by name.
	mkdir -p "$root/usr/lib/multipath"
	cp /lib/multipath/*.so "$root/usr/lib/multipath/" 2>/dev/null || :
	image_links "$root"
	image_fio "$root"
	image_libraries "$root"
}

file_is_elf()
{
	[ "$(head -c 4 "$1" | tail -c 3)" = ELF ]
}

# image_place PATH: where PATH lives in a root whose /bin is /usr/bin.
image_place()
{
	case $1 in
	/bin/* | /sbin/* | /lib/* | /lib64/*) printf '/usr%s\n' "$1" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

image_links()
{
	local root=$1 name
	for name in modprobe insmod rmmod lsmod modinfo depmod; do
		ln -sf ../bin/kmod "$root/usr/sbin/$name"
	done
	[ -e "$root/usr/bin/kmod" ] || ln -s ../sbin/kmod "$root/usr/bin/kmod"
	for name in mkfs.ext4 mkfs.ext2; do ln -sf mke2fs "$root/usr/sbin/$name"; done
	ln -sf e2fsck "$root/usr/sbin/fsck.ext4"
	ln -sf mawk "$root/usr/bin/awk"
	ln -sf dash "$root/usr/bin/sh"
	mkdir -p "$root/usr/lib/systemd" "$root/usr/lib/udev/rules.d"
	ln -sf ../../bin/udevadm "$root/usr/lib/systemd/systemd-udevd"
}

# The distribution's fio is linked with Ceph, GlusterFS and others: 80 MB of
# libraries and seconds of relocation per start in an emulated machine.  The
# guest gets one empty stand-in for them; without a compiler, the real ones.
image_fio()
{
	local root=$1 work lib
	local foreign='libgfapi.so.0 libnbd.so.0 libibverbs.so.1 librdmacm.so.1
		librados.so.2 librbd.so.1 libpmemblk.so.1 libpmem.so.1'
	command -v cc >/dev/null || return 0
	work=$(mktemp -d)
	nm -D --undefined-only "$root/usr/bin/fio" | awk '$NF ~ /^(glfs|nbd|ibv|rdma|rados|rbd|pmem|pmemblk)_/ { print $NF }' >"$work/symbols"
	image_fio_source "$work"
	if cc -shared -fPIC -Wl,--version-script="$work/map" -o "$work/stub.so" "$work/stub.c"; then
		mkdir -p "$root/usr/lib/fio"
		for lib in $foreign; do
			cp "$work/stub.so" "$root/usr/lib/fio/$lib"
		done
		image_fio_try "$root"
	fi
	rm -rf "$work"
}

# Writes stub.c and the version script for the symbols NAME or NAME@VERSION.
image_fio_source()
{
	sed 's/@.*//; s/.*/int &(void); int &(void) { return 0; }/' "$1/symbols" | sort -u >"$1/stub.c"
	awk -F '@+' '
		{ v = $2 == "" ? "CHISCSI_STUB" : $2; set[v] = set[v] " " $1 ";" }
		END { for (v in set) print v " { global:" set[v] " };" }
	' "$1/symbols" >"$1/map"
}

# Keeps the stand-in only when fio starts with it and says nothing about it.
image_fio_try()
{
	local said
	said=$(LD_LIBRARY_PATH="$1/usr/lib/fio" "$1/usr/bin/fio" --version 2>&1)
	case $said in
	*"
"* | *error* | '')
		note 'fio keeps its real libraries (the stand-in did not start)'
		rm -rf "$1/usr/lib/fio"
		;;
	*)
		mv "$1/usr/bin/fio" "$1/usr/lib/fio/fio"
		printf '#!/bin/sh\n# The guest has no Ceph; see image.sh.\nLD_LIBRARY_PATH=/usr/lib/fio exec /usr/lib/fio/fio "$@"\n' >"$1/usr/bin/fio"
		chmod 755 "$1/usr/bin/fio"
		;;
	esac
}

# Copies the libraries of every program; only fio sees its stand-ins.
image_libraries()
{
	local root=$1 lib
	{
		for lib in bin sbin lib/udev lib/multipath lib/systemd; do
			find "$root/usr/$lib" -type f -exec ldd {} + 2>/dev/null || :
		done
		[ ! -e "$root/usr/lib/fio/fio" ] ||
			LD_LIBRARY_PATH="$root/usr/lib/fio" ldd "$root/usr/lib/fio/fio"
	} | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/lib/ { print $1 }' |
		sort -u | while read -r lib; do
		case $lib in "$root"*) continue ;; esac
		install -D -m 755 "$lib" "$root$(image_place "$lib")"
	done
}

image_busybox()
{
	local root=$1 busybox name
	busybox=$(image_find busybox) || die 'busybox-static is not installed'
	install -m 755 "$busybox" "$root/usr/bin/busybox"
	for name in $("$busybox" --list); do
		[ -e "$root/usr/bin/$name" ] || [ -e "$root/usr/sbin/$name" ] ||
			ln -s busybox "$root/usr/bin/$name"
	done
}

image_modules()
{
	local root=$1 release=$2 from=$3 top name file
	local into="$root/usr/lib/modules/$release"
	top=${from%/lib/modules/*}
	mkdir -p "$into"
	cp "$from/modules.builtin" "$from/modules.order" "$into/"
	cp "$from/modules.builtin.modinfo" "$into/" 2>/dev/null || :
	for name in $IMAGE_MODULES; do
		modprobe -d "${top:-/}" -S "$release" --show-depends "$name" 2>/dev/null || :
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
		image_one_module "$file" "$into/kernel${file##*/kernel}"
	done
	depmod -b "$root" "$release"
}

# Compressed modules are unpacked here and not in the emulated machine.
image_one_module()
{
	mkdir -p "$(dirname "$2")"
	case $1 in
	*.xz) xz -dc "$1" >"${2%.xz}" ;;
	*.zst) zstd -qdc "$1" >"${2%.zst}" ;;
	*) cp "$1" "$2" ;;
	esac
}

image_config()
{
	local root=$1 rule
	install -m 755 "$vm_lib/init" "$root/init"
	printf 'root:x:0:0:root:/root:/bin/bash\n' >"$root/etc/passwd"
	printf 'root:x:0:\n' >"$root/etc/group"
	for rule in tty dialout kmem input video render audio lp disk cdrom tape kvm sgx; do
		printf '%s:x:%s:\n' "$rule" "$((100 + ${#rule} * 7))"
	done >>"$root/etc/group"
	printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 chiscsi-vm\n' >"$root/etc/hosts"
	printf 'hosts: files\npasswd: files\ngroup: files\n' >"$root/etc/nsswitch.conf"
	: >"$root/etc/fstab"
	ln -s ../proc/mounts "$root/etc/mtab"
	cp /etc/mke2fs.conf "$root/etc/" 2>/dev/null || :
	image_iscsi_config "$root"
	for rule in $IMAGE_UDEV_RULES; do
		cp "/usr/lib/udev/rules.d/$rule.rules" "$root/usr/lib/udev/rules.d/" 2>/dev/null || :
	done
}

# iscsid is started by hand in the guest, so nothing may ask systemd for it.
image_iscsi_config()
{
	printf 'InitiatorName=iqn.2026-01.test.chiscsi:initiator\n' >"$1/etc/iscsi/initiatorname.iscsi"
	if [ -r /etc/iscsi/iscsid.conf ]; then
		sed 's/^iscsid.startup/#&/' /etc/iscsi/iscsid.conf >"$1/etc/iscsi/iscsid.conf"
	else
		echo 'node.startup = manual' >"$1/etc/iscsi/iscsid.conf"
	fi
}

# image_pack ROOT FILE: writes ROOT as an uncompressed archive, because the
# emulated machine would spend longer on unpacking than on reading.
image_pack()
{
	(cd "$1" && find . -print0 | sort -z | cpio -0 -o -H newc --quiet -R 0:0) >"$2"
}
