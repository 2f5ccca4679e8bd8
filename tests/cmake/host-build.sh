# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What tests/unit/run and tests/fuzz/run share: where the host build's folders are, how they are
# configured and built. Sourced, with $here set to a folder two levels below the checkout's root.
# Sets $root and $build_root, and the options of the sanitizers' run time.
# shellcheck disable=SC2034,SC2154 # $here comes from, $build_root goes to the sourcing script.

root=$(CDPATH='' cd -- "$here/../.." && pwd)

# The cache may be shared by several checkouts; a machine user without rights has one of their own.
cache=${CHISCSI_CACHE:-/var/cache/chiscsi}
if ! mkdir -p "$cache/host" 2>/dev/null || [ ! -w "$cache/host" ]; then
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/chiscsi
fi
build_root=$cache/host/$(printf '%s' "$root" | tr -c 'A-Za-z0-9\n' '_')
mkdir -p "$build_root" || exit 1

export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-second_deadlock_stack=1:history_size=4:atexit_sleep_ms=50}"

# first_of NAME...: the first of these programs that exists.
first_of() {
	for program; do
		if command -v "$program" >/dev/null 2>&1; then
			echo "$program"
			return
		fi
	done
	echo "${1}"
}

# host_lock DIR: waits for another run that uses this build folder. The lock goes with the process.
host_lock() {
	mkdir -p "$1"
	exec 9>"$1/lock"
	command -v flock >/dev/null 2>&1 || return 0
	flock -n 9 || { echo "waiting for another run in $1"; flock 9; }
}

# host_configure DIR COMPILER [CMAKE OPTION...]: silent unless it fails.
host_configure() {
	dir=$1 cxx=$2
	shift 2
	case $cxx in
	clang++*) cc=clang${cxx#clang++} ;;
	*) cc=gcc${cxx#g++} ;;
	esac
	generator='Unix Makefiles'
	command -v ninja >/dev/null 2>&1 && generator=Ninja
	# A folder made with another compiler or generator is made anew.
	if [ -f "$dir/made-by" ] && [ "$(cat "$dir/made-by")" != "$cxx $generator" ]; then
		rm -rf "$dir/CMakeCache.txt" "$dir/CMakeFiles" "$dir/build.ninja"
	fi
	mkdir -p "$dir" && echo "$cxx $generator" >"$dir/made-by"
	if ! cmake -S "$root/tests" -B "$dir" -G "$generator" -DCMAKE_CXX_COMPILER="$cxx" \
		-DCMAKE_C_COMPILER="$cc" "$@" >"$dir/configure.log" 2>&1; then
		cat "$dir/configure.log"
		return 1
	fi
}

# host_build DIR TARGET...: builds all it can. Prints what failed and returns how many targets did
# not build.
host_build() {
	dir=$1
	shift
	jobs=$(nproc)
	keep_going='-k'
	[ -f "$dir/build.ninja" ] && keep_going='-k 0'
	# shellcheck disable=SC2086 # Two words for ninja.
	if cmake --build "$dir" -j "$jobs" --target "$@" -- $keep_going >"$dir/build.log" 2>&1; then
		return 0
	fi
	grep -E 'error:|undefined reference|fatal error|FAILED:' "$dir/build.log" | sort -u | head -n 40
	printf 'build log: %s\n' "$dir/build.log"
	bad=$(grep -cE '^FAILED: ' "$dir/build.log")
	return $((bad > 100 ? 100 : bad > 0 ? bad : 1))
}
