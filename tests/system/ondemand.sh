#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real image through the kernel, on demand, from an empty cache, equals the merge of its layers
# made by umoci; what was read is local afterwards, and nothing else is.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools umoci jq
require_ondemand_kernel

layout=$(real_image python)
mkfs-erofs-ondemand --quiet --output "$work/store" --ref python "$layout"
serve "$work/store"
image=$(blobctl prepare --cache "$work/cache" --registry "$served/app" python)
[[ $image =~ ^sha256:[0-9a-f]{64}$ ]] || fail "prepare printed '$image'"

status() { blobctl status --cache "$work/cache" --json | jq -r "$1"; }

note "a mount without a daemon is refused while data is missing"
mkdir "$work/mnt"
expect_error 1 'demandd' blobctl mount --cache "$work/cache" "$image" "$work/mnt"

start_demandd --registry "$served/app"
expect_error 1 'absent' blobctl mount --cache "$work/cache" "$image" "$work/absent"
mount_image "$image" "$work/mnt"
absent() { [ "$(status '[.images[].blobs[].bytes_present] | add')" -eq 0 ]; }
absent || fail "data is present before anything was read"

note "names and attributes cost no request"
unpack_with_umoci "$layout:python" "$work/bundle"
"$ONDEMAND_SOURCE/tests/system/compare_trees.py" --no-content "$work/bundle/rootfs" "$work/mnt"
absent || fail "attributes fetched data"

note "a program runs from it after a few per cent"
chroot "$work/mnt" /usr/bin/python3 /app/hello.py | grep -q 'from a lazily loaded root'
present=$(status .totals.bytes_present)
size=$(status .totals.bytes_total)
if [ "$present" -eq 0 ] || [ $((present * 100 / size)) -ge 10 ]; then fail "$present of $size bytes present"; fi

note "everything, byte for byte"
drop_caches
"$ONDEMAND_SOURCE/tests/system/compare_trees.py" "$work/bundle/rootfs" "$work/mnt"

note "fsck.erofs has nothing to say of bootstrap and blobs"
if command -v fsck.erofs >/dev/null; then
  backing() { find "$work/cache/cache" -name "D${1#sha256:}"; }
  devices=()
  for digest in $(status ".images[] | select(.digest == \"$image\") | .blobs[].digest"); do
    devices+=("--device=$(backing "$digest")")
  done
  fsck.erofs "${devices[@]}" "$(backing "$(status ".images[] | select(.digest == \"$image\") | .bootstrap.digest")")" \
    >"$work/fsck.log" 2>&1 || fail "fsck.erofs: status $?"
  [ ! -s "$work/fsck.log" ] || fail "fsck.erofs: $(cat "$work/fsck.log")"
fi

note "a second read asks the network for nothing"
before=$(status .daemon.fetches)
drop_caches
"$ONDEMAND_SOURCE/tests/system/compare_trees.py" "$work/bundle/rootfs" "$work/mnt"
[ "$(status .daemon.fetches)" -eq "$before" ] || fail "the network was asked again"

note "the same tree as a plain root filesystem tar, prepared while demandd runs"
tar -c --sort=name --numeric-owner --format=pax --xattrs --xattrs-include='*' -C "$work/bundle/rootfs" -f "$work/root.tar" .
mkfs-erofs-ondemand --quiet --output "$work/store" --ref root "$work/root.tar"
second=$(blobctl prepare --cache "$work/cache" --registry "$served/app" root)
mount_image "$second" "$work/mnt2"
"$ONDEMAND_SOURCE/tests/system/compare_trees.py" "$work/bundle/rootfs" "$work/mnt2"
blobctl umount --cache "$work/cache" "$second"

note "and works without a server"
stop "$server" || true
drop_caches
cmp "$work/bundle/rootfs/usr/bin/python3.11" "$work/mnt/usr/bin/python3.11"

blobctl umount "$work/mnt"
mountpoint -q "$work/mnt" && fail "still mounted"
stop "$daemon" || fail "demandd ended with status $?"
