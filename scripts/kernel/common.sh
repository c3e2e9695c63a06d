# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What build and build-modules share: base versions, sources, the cache.
# The one who sources it has set $self (for messages) and $top.
: "${self:?}" "${top:?}"

die() {
	echo "$self: $*" >&2
	exit 1
}

say() {
	echo "$self: $*" >&2
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || die "$tool: run: not installed"
	done
}

cache_root() {
	echo "${ONDEMAND_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/erofs-ondemand}/kernel"
}

# Sets $patches, $package and $version of base $1 (6.1, 6.12).
read_base() {
	patches=$top/kernel-patches/$1
	[ -r "$patches/base" ] || die "$1: look for the series: no such base"
	read -r package version <"$patches/base"
}

# Prints the archive with the sources of $package $version.  The package that
# is installed is taken if it is that one; otherwise the package is fetched
# into the cache, which needs no root.
source_archive() {
	local have dir tarball
	have=$(dpkg-query -W -f='${Version}' "$package" 2>/dev/null || :)
	tarball=/usr/src/$package.tar.xz
	if [ "$have" = "$version" ] && [ -r "$tarball" ]; then
		echo "$tarball"
		return
	fi
	dir=$(cache_root)/sources/${package}_$version
	if [ ! -r "$dir/$package.tar.xz" ]; then
		need apt-get dpkg-deb
		say "fetching $package $version"
		mkdir -p "$(dirname "$dir")"
		rm -rf "$dir.new"
		mkdir "$dir.new"
		(cd "$dir.new" && apt-get -q download "$package=$version" >&2) ||
			die "$package: fetch: version $version is not in the archive (apt-get update?)"
		dpkg-deb -x "$dir.new"/*.deb "$dir.new"
		mv "$dir.new/usr/src/$package.tar.xz" "$dir.new/"
		rm -rf "$dir.new/usr" "$dir.new"/*.deb
		rm -rf "$dir"
		mv "$dir.new" "$dir"
	fi
	echo "$dir/$package.tar.xz"
}

# Applies the series in $patches to the tree in $1.
apply_series() {
	local name
	while read -r name; do
		patch -d "$1" -p1 -s -F0 --no-backup-if-mismatch \
			<"$patches/$name" >&2 ||
			die "$name: apply to $package $version: it does not fit"
	done <"$patches/series"
}

# The digest of the series: of the patches, in their order.
series_text() {
	local name
	while read -r name; do
		cat "$patches/$name"
	done <"$patches/series"
}
