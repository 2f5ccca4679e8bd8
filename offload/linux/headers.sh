# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Finds the kernel's own headers of Chelsio adapters for ./configure, which sources
# this. They are in no headers package: Debian has them in linux-source-X.Y, from
# which only the folder drivers/net/ethernet/chelsio is extracted, once per version,
# below ${CHISCSI_CACHE:-/var/cache/chiscsi}. Structures that are shared with the
# kernel's cxgb4 differ between versions, so source and headers must be of one.
# Never writes into the repository, never installs a package.
#
# Uses cfg_kdir and cfg_krel of configure-lib.sh.  Sets cxgb4_headers (a folder with
# cxgb4/ and libcxgb/, or nothing) and cxgb4_why (why there is nothing).

cxgb4_in_tree=drivers/net/ethernet/chelsio

# cxgb4_find auto|no|DIR
cxgb4_find() {
	cxgb4_headers= cxgb4_why=
	case $1 in
	no) cxgb4_why="not wanted" ;;
	# Nothing found is no failure, for a shell that stops at failures either.
	auto) ! cxgb4_kernel_has_driver || cxgb4_from_package || : ;;
	*)
		! cxgb4_kernel_has_driver || cxgb4_from_folder "$1" || :
		[ -n "$cxgb4_headers" ] || cfg_die "--with-cxgb4=$1: $cxgb4_why" ;;
	esac
	return 0
}

# What the real backend links to must be there.
cxgb4_kernel_has_driver() {
	for symbol in cxgb4_register_uld cxgbi_ppm_init; do
		grep -q "[[:space:]]${symbol}[[:space:]]" "$cfg_kdir/Module.symvers" 2> /dev/null && continue
		cxgb4_why="this kernel has no cxgb4"
		return 1
	done
}

# Versions as x.y.z, of the kernel's headers and of a source tree.
cxgb4_kernel_version() {
	awk '$2 == "LINUX_VERSION_MAJOR" { x = $3 } $2 == "LINUX_VERSION_PATCHLEVEL" { y = $3 }
		$2 == "LINUX_VERSION_SUBLEVEL" { z = $3 } END { print x "." y "." z }' \
		"$cfg_kdir/include/generated/uapi/linux/version.h" 2> /dev/null
}

cxgb4_source_version() { # TREE
	awk '$1 == "VERSION" && !x { x = $3 } $1 == "PATCHLEVEL" && y == "" { y = $3 }
		$1 == "SUBLEVEL" && z == "" { z = $3 } END { print x "." y "." z }' "$1/Makefile" 2> /dev/null
}

cxgb4_package_version() {
	dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2> /dev/null | sed -n 's/^installed //p'
}

# cxgb4_check FOLDER TREE: both headers are there and TREE is of this kernel's version.
cxgb4_check() {
	if [ ! -f "$1/cxgb4/cxgb4_uld.h" ] || [ ! -f "$1/libcxgb/libcxgb_ppm.h" ]; then
		cxgb4_why="no cxgb4/cxgb4_uld.h and libcxgb/libcxgb_ppm.h in $1"
	elif [ ! -f "$2/Makefile" ]; then
		cxgb4_why="$1 is not part of a kernel source tree, so its version is not known"
	elif [ "$(cxgb4_source_version "$2")" != "$(cxgb4_kernel_version)" ]; then
		cxgb4_why="source of $(cxgb4_source_version "$2"), headers of $(cxgb4_kernel_version)"
	else
		case $1 in
		*[[:space:]]*) cxgb4_why="the kernel's build system cannot use a folder with blanks: $1" ;;
		*)
			cxgb4_headers=$1
			return 0 ;;
		esac
	fi
	return 1
}

# A kernel source tree, or the folder in it.
cxgb4_from_folder() {
	if ! folder=$(cd "$1" 2> /dev/null && pwd); then
		cxgb4_why="no such folder"
		return 1
	fi
	case $folder in
	*/"$cxgb4_in_tree") tree=${folder%/"$cxgb4_in_tree"} ;;
	*) tree=$folder folder=$folder/$cxgb4_in_tree ;;
	esac
	cxgb4_check "$folder" "$tree"
}

cxgb4_from_package() {
	release=$(cxgb4_kernel_version)
	package=linux-source-${release%.*}
	archive=/usr/src/$package.tar.xz
	if [ ! -r "$archive" ]; then
		cxgb4_why="install $package and configure again"
		return 1
	fi
	version=$(cxgb4_package_version "$package")
	headers=$(cxgb4_package_version "linux-headers-$cfg_krel")
	if [ -n "$version" ] && [ -n "$headers" ] && [ "$version" != "$headers" ]; then
		cxgb4_why="$package is $version, linux-headers-$cfg_krel is $headers"
		return 1
	fi
	tree=${CHISCSI_CACHE:-/var/cache/chiscsi}/$package-${version:-$(stat -c %Y "$archive")}
	[ -f "$tree/.complete" ] || cxgb4_extract "$archive" "$tree" || return 1
	cxgb4_check "$tree/$cxgb4_in_tree" "$tree"
}

# cxgb4_extract ARCHIVE TREE: another configure may do the same at this moment.
cxgb4_extract() {
	cfg_say "cxgb4:     taking $cxgb4_in_tree out of $1"
	if mkdir -p "$2" 2> /dev/null && new=$(mktemp -d "$2.XXXXXX" 2> /dev/null); then
		if tar -xJf "$1" -C "$new" --strip-components=1 "$package/Makefile" \
			"$package/$cxgb4_in_tree" 2> /dev/null &&
			: > "$new/.complete" && rm -rf "$2" && mv -T "$new" "$2" 2> /dev/null; then
			return 0
		fi
		rm -rf "$new"
		[ ! -f "$2/.complete" ] || return 0
	fi
	cxgb4_why="$1 could not be extracted to ${2%/*} (CHISCSI_CACHE names another folder)"
	return 1
}
