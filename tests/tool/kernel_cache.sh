#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What scripts/kernel/build removes from its cache after a build, and what not.
set -euo pipefail

top=${ONDEMAND_SOURCE:?}
self=kernel_cache
export ONDEMAND_CACHE
ONDEMAND_CACHE=$(mktemp -d "${TMPDIR:-/tmp}/kernel-cache.XXXXXX")
trap 'rm -rf "$ONDEMAND_CACHE"' EXIT
# shellcheck source=scripts/kernel/common.sh
. "$top/scripts/kernel/common.sh"
root=$(cache_root)

key() { printf '%024x' "$1"; }
# entry NAME DAYS [DAYS]: made and, if so, taken so many days ago
entry() {
	mkdir -p "$root/$1"
	echo kernel >"$root/$1/bzImage"
	[ $# -lt 3 ] || touch -d "$3 days ago" "$root/$1/used"
	touch -d "$2 days ago" "$root/$1"
}
kept() { [ -d "$root/$1" ] || die "$1: should be there"; }
gone() { [ ! -e "$root/$1" ] || die "$1: should have been removed"; }

current=6.1-normal-$(key 1)
entry "$current" 90
entry "6.1-normal-$(key 2)" 40          # never taken, and old
entry "6.1-normal-$(key 3)" 90 40       # long ago
entry "6.1-normal-$(key 4)" 90 20       # by another checkout
entry "6.1-normal-$(key 5)" 3           # new
entry "6.1-debug-$(key 6)" 90           # of another kind
entry "6.12-normal-$(key 7)" 90         # of another kernel
entry "6.1-normal-mine" 90              # not ours
entry "stock" 90                        # not an entry
entry "build.killed" 3                  # left by a build
entry "build.running" 0
entry "6.1-normal-$(key 8)" 90 40
take_entry "$root/6.1-normal-$(key 8)" bzImage || die "cannot take an entry"
! take_entry "$root/6.1-normal-$(key 8)" other || die "took what is not there"
! take_entry "$root/6.1-normal-$(key 9)" bzImage || die "took an entry that is not there"

prune_entries 6.1-normal "$root/$current" 2>/dev/null
kept "$current"
gone "6.1-normal-$(key 2)"
gone "6.1-normal-$(key 3)"
for number in 4 5 8; do
	kept "6.1-normal-$(key $number)"
done
kept "6.1-debug-$(key 6)"
kept "6.12-normal-$(key 7)"
kept 6.1-normal-mine
kept stock
gone build.killed
kept build.running

entry "modules-6.1.0-1-amd64-$(key 1)" 90
entry "modules-6.1.0-2-amd64-$(key 2)" 90
prune_entries 'modules-*' "$root/modules-6.1.0-2-amd64-$(key 2)" 2>/dev/null
gone "modules-6.1.0-1-amd64-$(key 1)"
kept "modules-6.1.0-2-amd64-$(key 2)"

# Who takes an entry while it could be removed waits.
exec 7>"$root/lock.used"
flock 7
take_entry "$root/$current" bzImage 7>&- &
taker=$!
rm "$root/$current/bzImage"
flock -u 7
! wait $taker || die "took an entry that was being removed"
