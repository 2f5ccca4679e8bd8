# SPDX-License-Identifier: GPL-2.0-only
#
# host.sh - starts and watches the emulated test machine.
#
# Sourced (bash) by tests/vm/run, serve and all, and by tests/bench.  It finds
# a kernel and an accelerator, joins the cached root (image.sh) with a small
# archive of our modules and the job, starts QEMU and reads back the job's
# output, the kernel log and the exit status.  It ends only the emulator that
# it started, and it writes only to a temporary directory and to the cache.

vm_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vm_repo=$(cd "$vm_lib/../../.." && pwd)
CACHE=${CHISCSI_CACHE:-/var/cache/chiscsi}
if ! mkdir -p "$CACHE/vm" 2>/dev/null || [ ! -w "$CACHE/vm" ]; then
	CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/chiscsi
fi

# shellcheck source=tests/vm/lib/klog.sh
. "$vm_lib/klog.sh"
# shellcheck source=tests/vm/lib/image.sh
. "$vm_lib/image.sh"

# Some variables are for the commands that source this file.
# shellcheck disable=SC2034

# What the command line may change; see vm_option.
vm_kernel=6.1
vm_smp=2
vm_mem=2G
vm_limit=600
vm_stall=0
vm_modules=
vm_target=chiscsi
vm_forward=
vm_append=
vm_console=no
vm_count=no
vm_count_sleep=off
vm_files=()
vm_disks=()
vm_network=()

# The run's own state.
vm_work=
vm_qemu=
vm_reader=

note() { printf 'vm: %s\n' "$*" >&2; }
die() { note "$*"; exit 2; }

# vm_option OPTION VALUE: takes one shared option.  Status 0: VALUE was used
# up as well; 1: not a shared option; 2: taken without its value.
vm_option()
{
	case $1 in
	--console) vm_console=yes; return 2 ;;
	--count) vm_count=yes; return 2 ;;
	--kernel | --smp | --mem | --timeout | --stall | --modules | --target | --append | --file | --disk | --link) ;;
	*) return 1 ;;
	esac
	[ -n "${2-}" ] || die "$1 needs a value"
	case $1 in
	--kernel) vm_kernel=$2 ;;
	--smp) vm_smp=$2 ;;
	--mem) vm_mem=$2 ;;
	--timeout) vm_limit=$2 ;;
	--stall) vm_stall=$2 ;;
	--modules) vm_modules=$2 ;;
	--target) vm_target=$2 ;;
	--append) vm_append="$vm_append $2" ;;
	--file) vm_files+=("$2") ;;
	--disk) vm_add_disk "$2" ;;
	--link) vm_link "$2" ;;
	esac
}

# vm_link ADDRESS/BITS:PORT:PEER: a second network card with this address, whose other end
# is a machine that has the two ports (UDP, on the host's loop-back) the other way round.
vm_link()
{
	local address port peer mac
	IFS=: read -r address port peer <<<"$1"
	mac=$(printf '52:54:00:00:%02x:%02x' $((port / 256)) $((port % 256)))
	vm_append="$vm_append chiscsi.link=$address"
	vm_network=(-netdev "socket,id=link,udp=127.0.0.1:$peer,localaddr=127.0.0.1:$port"
		-device "virtio-net-pci,netdev=link,romfile=,mac=$mac")
}

# vm_add_disk IMAGE: a raw image, or its URL; the guest's n-th disk.  What the guest has
# flushed has reached the image.
vm_add_disk()
{
	local name=disk$((${#vm_disks[@]} / 4))
	vm_disks+=(-drive "file=${1//,/,,},format=raw,if=none,cache=writeback,id=$name"
		-device "virtio-blk-pci,drive=$name,serial=$name")
}

# --- the kernel -------------------------------------------------------------

# Sets vm_image, vm_release and vm_module_dir for --kernel: a path of a kernel
# image, or the start of a release that is installed here or unpacked below
# the cache as kernels/ANY/{boot,lib/modules}.
vm_find_kernel()
{
	local image
	case $vm_kernel in
	*/*) image=$vm_kernel ;;
	*) image=$(vm_list_kernels | sort -V | tail -n 1 | cut -d' ' -f2) ;;
	esac
	[ -f "$image" ] || die "no kernel $vm_kernel: install linux-image-amd64"
	vm_image=$image
	vm_release=${image##*/vmlinuz-}
	local top=${image%/boot/*} root
	for root in "$top" "$top/usr"; do
		vm_module_dir=$root/lib/modules/$vm_release
		[ -d "$vm_module_dir" ] || continue
		# A kernel that was only unpacked has no index yet.
		[ -f "$vm_module_dir/modules.dep" ] || depmod -b "$root" "$vm_release"
		return 0
	done
	die "no modules for $vm_release"
}

# Prints "RELEASE PATH" of each candidate; special flavours only by full name.
vm_list_kernels()
{
	local path release
	for path in /boot/vmlinuz-"$vm_kernel"* "$CACHE"/kernels/*/boot/vmlinuz-"$vm_kernel"*; do
		[ -f "$path" ] || continue
		release=${path##*/vmlinuz-}
		case $release in
		"$vm_kernel") ;;
		*-rt-* | *-cloud-*) continue ;;
		"$vm_kernel"[0-9]*) continue ;;
		esac
		printf '%s %s\n' "$release" "$path"
	done
}

# Prints the path of an image which the emulator starts fastest: the unpacked
# ELF file when it can be taken out of the bzImage, else the bzImage itself.
# An emulated processor needs seconds to unpack a kernel.
vm_fast_image()
{
	local elf
	elf="$CACHE/vm/vmlinux-$vm_release-$(stat -c %Y "$vm_image")"
	if [ ! -s "$elf" ]; then
		vm_unpack_kernel "$vm_image" >"$elf.$$" || :
		mv "$elf.$$" "$elf"
	fi
	if file_is_elf "$elf"; then printf '%s\n' "$elf"; else printf '%s\n' "$vm_image"; fi
}

vm_unpack_kernel()
{
	local offset
	offset=$(LC_ALL=C grep -aobPm1 '\xfd7zXZ\x00' "$1" | head -n 1 | cut -d: -f1)
	if [ -n "$offset" ]; then
		tail -c "+$((offset + 1))" "$1" | xz -dcq --single-stream 2>/dev/null
		return 0
	fi
	offset=$(LC_ALL=C grep -aobPm1 '\x28\xb5\x2f\xfd' "$1" | head -n 1 | cut -d: -f1)
	[ -n "$offset" ] || return 0
	tail -c "+$((offset + 1))" "$1" | zstd -dcq 2>/dev/null
}

# --- the accelerator --------------------------------------------------------

# Sets vm_accel.  /dev/kvm may exist and not work, so a tiny machine is started
# once per boot of the host, with a limit of a few seconds.
vm_find_accel()
{
	local boot verdict
	boot=$(cat /proc/sys/kernel/random/boot_id)
	verdict="$CACHE/vm/accel-$boot"
	mkdir -p "$CACHE/vm"
	if [ ! -s "$verdict" ]; then
		rm -f "$CACHE"/vm/accel-*
		vm_probe_kvm >"$verdict.$$"
		mv "$verdict.$$" "$verdict"
		note "accelerator: $(cat "$verdict")"
	fi
	case ${CHISCSI_VM_ACCEL:-$(cat "$verdict")} in
	kvm) vm_accel=(-accel kvm -cpu host) ;;
	*) vm_accel=(-accel 'tcg,thread=multi,tb-size=512' -cpu max) ;;
	esac
}

# Sets vm_accel for a machine whose clock is the number of its instructions, 8 ns each, and
# jumps to the next event when nothing runs: what the host does besides changes no figure in it.
# With vm_count_sleep=on it waits in real time instead, for somebody outside the machine.
# It has one processor. A copy costs an instruction for 8 bytes; with erms, one for each.
vm_count_instructions()
{
	vm_smp=1
	vm_accel=(-accel 'tcg,thread=single,tb-size=512' -icount "shift=3,sleep=$vm_count_sleep"
		-cpu 'max,-erms,-fsrm')
}

vm_probe_kvm()
{
	local dir answer=tcg
	dir=$(mktemp -d)
	if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
		vm_probe_archive "$dir"
		: >"$dir/answer"
		timeout -k 1 6 qemu-system-x86_64 -accel kvm -cpu host -m 256M \
			-nodefaults -no-user-config -display none -no-reboot \
			-kernel "$vm_image" -initrd "$dir/initrd" \
			-append 'quiet panic=-1' \
			-chardev "file,id=answer,path=$dir/answer" \
			-device isa-debugcon,iobase=0xe9,chardev=answer \
			-device isa-debug-exit,iobase=0xf4,iosize=1 \
			</dev/null >/dev/null 2>&1 || :
		[ "$(cat "$dir/answer")" = K ] && answer=kvm
	fi
	rm -rf "$dir"
	printf '%s\n' "$answer"
}

vm_probe_archive()
{
	mkdir -p "$1/root/dev"
	cp "$(image_find busybox)" "$1/root/busybox"
	cat >"$1/root/init" <<-'END'
		#!/busybox sh
		/busybox mount -t devtmpfs devtmpfs /dev
		printf K | /busybox dd of=/dev/port bs=1 seek=233
		printf x | /busybox dd of=/dev/port bs=1 seek=244
	END
	chmod 755 "$1/root/init"
	image_pack "$1/root" "$1/initrd"
}

# --- the job's own archive --------------------------------------------------

# vm_pack SCRIPT [ARGUMENT...]: writes $vm_work/initrd = cached root + job.
vm_pack()
{
	local root="$vm_work/root" base
	base=$(image_base "$vm_release" "$vm_module_dir") || exit 2
	mkdir -p "$root/job" "$root/modules" "$root/tests/lib" "$root/usr/sbin"
	cp "$vm_lib"/*.sh "$root/tests/lib/"
	cp -r "$vm_repo/tests/vm/cases" "$root/tests/cases"
	vm_pack_modules "$root/modules"
	vm_pack_tools "$root/usr/sbin"
	vm_pack_files "$root"
	vm_pack_job "$root/job" "$@"
	image_pack "$root" "$vm_work/job.cpio"
	cat "$base" "$vm_work/job.cpio" >"$vm_work/initrd"
}

# Takes every module that was built; of two with one name the one nearest to
# the top wins.  build/ holds modules for other kernels, so it is looked at only
# when --modules points there.
vm_pack_modules()
{
	local from=${vm_modules:-$vm_repo} file name
	find "$from" -maxdepth 4 -path "$from/build" -prune -o -name '*.ko' -printf '%d %p\n' |
		sort -n | cut -d' ' -f2- | while read -r file; do
		name=${file##*/}
		[ -e "$1/$name" ] || strip -g -o "$1/$name" "$file" 2>/dev/null || cp "$file" "$1/$name"
	done
}

vm_pack_tools()
{
	local name file
	for name in iscsictl chisns control_client iscsi-load; do
		file=$(find "$vm_repo" -maxdepth 4 -type f -name "$name" -perm -100 \
			-not -path '*/.git/*' -print -quit)
		[ -z "$file" ] || cp "$file" "$1/"
	done
	# The boot service, at the places where an installation puts it.
	sed 's|@SBINDIR@|/usr/sbin|g; s|@SYSCONFDIR@|/etc|g' "$vm_repo/tools/service/chelsio-target" \
		>"$1/chelsio-target"
	chmod 755 "$1/chelsio-target"
	cp "$vm_repo/tools/iscsictl/iscsictl.bash" "$1/"
	# What an installation has in modprobe.d; in force only where a case puts it there.
	cp "$vm_repo/tools/service/chiscsi-modprobe.conf" "$1/"
}

# --file HOST[:GUEST] copies a file or a folder into the machine.
vm_pack_files()
{
	local entry from to
	for entry in "${vm_files[@]}"; do
		from=${entry%%:*}
		to=/job/${from##*/}
		case $entry in *:*) to=${entry#*:} ;; esac
		mkdir -p "$1$(dirname "$to")"
		cp -r "$from" "$1$to" || die "cannot read $from"
	done
}

vm_pack_job()
{
	local dir=$1 script=$2
	shift 2
	cp "$script" "$dir/script" || die "cannot read $script"
	chmod 755 "$dir/script"
	printf 'export CHISCSI_VM=1 VM_TARGET=%s GUEST_LIB=/tests/lib\n' "$vm_target" >"$dir/env"
	if [ "$(head -c 2 "$script")" = '#!' ]; then printf 'exec ./script'; else printf 'exec bash ./script'; fi >"$dir/start"
	[ $# -eq 0 ] || printf ' %q' "$@" >>"$dir/start"
	printf '\n' >>"$dir/start"
}

# --- the run ----------------------------------------------------------------

vm_prepare()
{
	command -v qemu-system-x86_64 >/dev/null || die 'qemu-system-x86 is not installed'
	vm_work=$(mktemp -d "${TMPDIR:-/tmp}/chiscsi-vm.XXXXXX")
	trap vm_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	vm_find_kernel
	if [ "$vm_count" = yes ]; then vm_count_instructions; else vm_find_accel; fi
	vm_pack "$@"
}

# vm_start: starts the emulator; its output and console go to the two given
# paths (a file or a pipe).
vm_start()
{
	local net='user,id=net'
	local quiet='console=ttyS0 loglevel=5 panic=-1 oops=panic'
	local fast='nokaslr mitigations=off tsc=reliable random.trust_cpu=on no_timer_check unknown_nmi_panic panic_print=0x40 rcupdate.rcu_cpu_stall_timeout=60 cryptomgr.notests'
	[ -z "$vm_forward" ] || net="$net,hostfwd=$vm_forward"
	: >"$vm_work/status"
	mkfifo "$vm_work/monitor.in" "$vm_work/monitor.out"
	timeout -k 5 "$vm_limit" qemu-system-x86_64 "${vm_accel[@]}" \
		-machine q35 -smp "$vm_smp" -m "$vm_mem" -nodefaults -no-user-config \
		-display none -monitor none -no-reboot \
		-kernel "$(vm_fast_image)" -initrd "$vm_work/initrd" \
		-append "$quiet $fast$vm_append" \
		-chardev "file,id=console,path=$2" -serial chardev:console \
		-chardev "file,id=output,path=$1" -serial chardev:output \
		-chardev "file,id=status,path=$vm_work/status" \
		-device isa-debugcon,iobase=0xe9,chardev=status \
		-device isa-debug-exit,iobase=0xf4,iosize=1 \
		-chardev "pipe,id=monitor,path=$vm_work/monitor" -mon chardev=monitor,mode=readline \
		-netdev "$net" -device virtio-net-pci,netdev=net,romfile= \
		"${vm_network[@]}" "${vm_disks[@]}" -pidfile "$vm_work/qemu.pid" \
		</dev/null >"$vm_work/qemu.log" 2>&1 &
	vm_qemu=$!
}

# Waits for the emulator; sets vm_status to the job's status, or to
# "panic", "timeout" or "broken" when the machine never reported one.
vm_wait()
{
	local code=0
	wait "$vm_qemu" || code=$?
	vm_qemu=
	[ -z "$vm_reader" ] || wait "$vm_reader" || :
	vm_reader=
	if [ -s "$vm_work/status" ]; then
		vm_status=$(od -An -tu1 -N1 "$vm_work/status" | tr -d ' ')
	elif [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then
		vm_status=timeout
	elif [ -s "$vm_work/console" ]; then
		vm_status=panic
	else
		vm_status=broken
	fi
}

# Prints what went wrong with the machine itself.  Status 0: all was well.
vm_verdict()
{
	local bad
	case $vm_status in
	timeout) vm_complain "no end after $vm_limit s; the last lines of the kernel log:"; return 1 ;;
	panic) vm_complain 'the machine died; the last lines of the kernel log:'; return 1 ;;
	broken) note 'the emulator did not start:'; cat "$vm_work/qemu.log" >&2; return 1 ;;
	esac
	bad=$(klog_bad "$vm_work/console") || return 0
	note 'the kernel log holds:'
	printf '%s\n' "$bad" | head -n 60 >&2
	note 'from the first of them on:'
	tail -n "+${bad%%:*}" "$vm_work/console" | head -n 60 >&2
	return 1
}

vm_complain()
{
	note "$1"
	tail -n 120 "$vm_work/console" >&2
}

# Ends the emulator that this process started, and nothing else.
vm_stop()
{
	if [ -n "$vm_qemu" ]; then
		kill "$vm_qemu" 2>/dev/null || :
		wait "$vm_qemu" 2>/dev/null || :
		vm_qemu=
	fi
	[ -z "$vm_reader" ] || wait "$vm_reader" 2>/dev/null || :
	vm_reader=
}

# Power goes: the emulator has no time to write anything.
vm_cut()
{
	kill -KILL "$(cat "$vm_work/qemu.pid")" 2>/dev/null || :
}

vm_cleanup()
{
	local status=$?
	trap - EXIT
	vm_stop
	if [ -n "${CHISCSI_VM_KEEP-}" ]; then
		cp "$vm_work/console" "$CHISCSI_VM_KEEP" 2>/dev/null || :
	fi
	[ -z "$vm_work" ] || rm -rf "$vm_work"
	exit "$status"
}

# vm_run_job SCRIPT [ARGUMENT...]: the whole of `tests/vm/run`; the output goes
# to standard output.  Returns the job's status, or 99 for a machine's failure
# or a line in the kernel log.
vm_run_job()
{
	vm_prepare "$@"
	mkfifo "$vm_work/output"
	vm_copy_output <"$vm_work/output" &
	vm_reader=$!
	vm_start "$vm_work/output" "$vm_work/console"
	# The emulator opens the pipe; should it fail to, this end opens it so that
	# the reader does not wait for ever.
	vm_wait_open
	vm_wait
	[ "$vm_console" = no ] || cat "$vm_work/console"
	vm_verdict || return 99
	return "$vm_status"
}

# Copies the job's output; silence beyond --stall ends the machine.
vm_copy_output()
{
	local line status=0
	[ "$vm_stall" -gt 0 ] || { cat; return; }
	while IFS= read -r -t "$vm_stall" line || { status=$?; false; }; do
		printf '%s\n' "$line"
	done
	printf '%s' "$line"
	[ "$status" -gt 128 ] || return 0
	note "no output for $vm_stall s; its processors are at:"
	vm_interrogate
	cat
}

# Makes a silent machine show where it is: the emulator prints its processors, and an
# NMI makes the kernel panic, which ends the machine. One that ignores it is ended.
vm_interrogate()
{
	vm_monitor 'info registers -a'
	timeout 2 cat "$vm_work/monitor.out" | grep -aE '^(CPU#|RIP)' >&2 || :
	vm_monitor nmi
	timeout 30 cat || vm_monitor quit
}

vm_monitor()
{
	# Read-write, so that opening never waits.
	printf "%s\n" "$1" 1<>"$vm_work/monitor.in"
}

vm_wait_open()
{
	local tries=100
	while [ ! -e "$vm_work/console" ] && [ $tries -gt 0 ]; do
		kill -0 "$vm_qemu" 2>/dev/null || break
		tries=$((tries - 1))
		sleep 0.1
	done
	# shellcheck disable=SC2188 # Opening it is the purpose.
	[ -e "$vm_work/console" ] || >"$vm_work/output"
}
