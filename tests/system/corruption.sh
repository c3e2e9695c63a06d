#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A server that lies: a corrupted frame gives EIO for what needs it and a log line with the cause;
# the rest is served, nothing of it enters the cache, and a second, honest source mends it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools jq
require_ondemand_kernel

mkdir -p "$work/root"
for name in a b c d; do head -c 1000000 /dev/urandom >"$work/root/$name"; done
tar -cf "$work/root.tar" --sort=name -C "$work/root" .
mkfs-erofs-ondemand --quiet --output "$work/store" --ref app "$work/root.tar"
cp -a "$work/store" "$work/honest"

manifest=$(jq -r '.manifests[0].digest' "$work/store/index.json" | cut -d: -f2)
blob=$(jq -r '.layers[0].digest' "$work/store/blobs/sha256/$manifest" | cut -d: -f2)
index=$(jq -r '.layers[1].digest' "$work/store/blobs/sha256/$manifest" | cut -d: -f2)

note "a corrupted chunk index is refused by prepare, and nothing is left"
cp -a "$work/store" "$work/liar"
printf 'X' | dd of="$work/liar/blobs/sha256/$index" bs=1 seek=60 conv=notrunc 2>/dev/null
expect_error 1 'digest' blobctl prepare --cache "$work/other-cache" --store "$work/liar" app
[ -z "$(find "$work"/other-cache/{images,chunk-index,tmp,refs} -type f)" ] || fail "something of it is visible"

note "a byte of the first frame is wrong on the server"
printf 'XXXX' | dd of="$work/store/blobs/sha256/$blob" bs=1 seek=2000 conv=notrunc 2>/dev/null
image=$(blobctl prepare --cache "$work/cache" --store "$work/store" app)
start_demandd --store "$work/store"
mount_image "$image" "$work/mnt"
cmp "$work/root/a" "$work/mnt/a" 2>/dev/null && fail "corrupted data was read as right"
dd if="$work/mnt/a" of=/dev/null bs=4096 count=1 2>"$work/dd.log" && fail "no error for corrupted data"
grep -q 'Input/output error' "$work/dd.log" || fail "another error than EIO"
grep -q 'digest' "$work/demandd.log" || fail "the log does not say why"
note "the rest is served"
for name in b c d; do cmp "$work/root/$name" "$work/mnt/$name"; done
stop "$daemon" || fail "demandd ended with status $?"
blobctl umount "$work/mnt"

note "with a second, honest source everything is right"
start_demandd --store "$work/store" --store "$work/honest"
mount_image "$image" "$work/mnt"
drop_caches
for name in a b c d; do cmp "$work/root/$name" "$work/mnt/$name"; done
blobctl umount "$work/mnt"
stop "$daemon" || fail "demandd ended with status $?"
