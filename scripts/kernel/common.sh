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

# What is to be used is not there: no fault of ours, and nothing was tried.
absent() {
	echo "$self: $*" >&2
	exit 77
}

say() {
	echo "$self: $*" >&2
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null ||
			absent "$tool: run: not installed (scripts/install-deps kernel)"
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

# Entries of the cache are directories NAME-KEY, KEY being 24 hex digits.  Who takes
# one says so by the time of its file "used", and holds lock.used shared meanwhile,
# so that nobody removes it just then.

# Succeeds if the entry $1 has the file $2.
take_entry() {
	(
		[ -r "$1/$2" ] || exit 1
		{ exec 8<"$(cache_root)/lock.used"; } 2>/dev/null && flock -s 8
		[ -r "$1/$2" ] || exit 1
		touch "$1/used" 2>/dev/null || : # a cache that can only be read
	)
}

# Removes the entries whose names match the pattern $1 and that nobody took for 30
# days, but not $2, and what builds that were killed have left.
prune_entries() {
	local entry recent
	(
		exec 8>"$(cache_root)/lock.used"
		flock 8
		for entry in "$(cache_root)"/*; do
			[[ $(basename "$entry") == $1-* && ${entry##*-} =~ ^[0-9a-f]{24}$ ]] || continue
			[ "$entry" != "$2" ] || continue
			recent=$(find "$entry" -maxdepth 1 \( -path "$entry" -o -name used \) -mtime -30)
			[ -z "$recent" ] || continue
			say "$(basename "$entry"): removing, not used for 30 days"
			rm -rf "$entry"
		done
		find "$(cache_root)" -maxdepth 1 -name 'build.*' -mtime +2 -exec rm -rf '{}' +
	)
}

# Fetches $package in version $1 into the directory $2; needs no root.  Two callers
# fetch once.
fetch_package() {
	local wanted=$1 dir=$2
	mkdir -p "$(dirname "$dir")"
	(
		exec 8>"$(dirname "$dir")/lock"
		flock 8
		[ ! -r "$dir/$package.tar.xz" ] || exit 0
		say "fetching $package $wanted"
		rm -rf "$dir.new" &&
			mkdir "$dir.new" &&
			cd "$dir.new" &&
			apt-get -q download "$package=$wanted" >&2 &&
			dpkg-deb -x ./*.deb . &&
			mv "usr/src/$package.tar.xz" . &&
			rm -rf usr ./*.deb "$dir" &&
			mv "$dir.new" "$dir"
	)
}

# Sets $archive to the sources of $package, and $version to what they are: the
# pinned version if it can be had, otherwise another one of the same package.
# A point release is small, and apply_series takes it only if every patch fits
# without fuzz.
find_archive() {
	local have offered dir sources
	have=$(dpkg-query -W -f='${Version}' "$package" 2>/dev/null || :)
	sources=$(cache_root)/sources
	archive=/usr/src/$package.tar.xz
	[ "$have" != "$version" ] || [ ! -r "$archive" ] || return 0
	dir=$sources/${package}_$version
	offered=
	if [ ! -r "$dir/$package.tar.xz" ] && command -v apt-cache >/dev/null; then
		offered=$(apt-cache madison "$package" 2>/dev/null |
			awk -F '|' '/ Packages$/ { gsub(/ /, "", $2); print $2 }')
	fi
	if [ ! -r "$dir/$package.tar.xz" ] && grep -qxF "$version" <<<"$offered"; then
		fetch_package "$version" "$dir" || :
	fi
	if [ -r "$dir/$package.tar.xz" ]; then
		archive=$dir/$package.tar.xz
		return 0
	fi
	say "$package $version, the pinned version, is not in the archive (apt-get update?)"
	if [ -z "$have" ] || [ ! -r "$archive" ]; then
		have=$(sort -rV <<<"$offered" | head -n 1)
		[ -n "$have" ] ||
			absent "$package: fetch: no version can be had (put $package.tar.xz of $version, from the snapshot archive, into $dir)"
		dir=$sources/${package}_$have
		archive=$dir/$package.tar.xz
		[ -r "$archive" ] || fetch_package "$have" "$dir" ||
			absent "$package: fetch: version $have: see above"
	fi
	pinned=$version
	version=$have
	say "NOTE: taking $version instead; the series was proved on $pinned"
}

# Applies the series in $patches to the tree in $1.
apply_series() {
	local name
	while read -r name; do
		patch -d "$1" -p1 -s -F0 --no-backup-if-mismatch \
			<"$patches/$name" >&2 && continue
		[ -z "${pinned:-}" ] ||
			absent "$name: apply to $package $version: it does not fit; it is for $pinned (put $package.tar.xz of it into $(cache_root)/sources/${package}_$pinned)"
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
