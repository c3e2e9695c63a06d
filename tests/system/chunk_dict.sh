#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An image that refers to the blobs of another: through the kernel, on demand, byte for byte, and
# still after the other is gone from the store.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools umoci jq skopeo
require_ondemand_kernel

store=$work/store
layout=$(real_image python-plus)
# The donor has another chunk size, frame size and compression than the image.
mkfs-erofs-ondemand --quiet --no-sync -o "$store" --ref donor --chunk-size 16K --frame-size 1M \
  --compression none "$(real_image python)"
mkfs-erofs-ondemand --json --no-sync -o "$store" --ref plus --chunk-dict donor "$layout" >"$work/plus.json"
field() { jq -r "$1" "$work/plus.json"; }
note "$(field .bytes.shared_with_dictionary) of $(field .bytes.input) bytes are the donor's"
[ "$(field .bytes.shared_with_dictionary)" -gt $(($(field .bytes.input) / 2)) ] || fail "too little was found"
[ "$(field '[.blobs[] | select(.dictionary == "donor")] | length')" -gt 0 ] || fail "no blob of the donor"

note "the donor's name, manifest and bootstrap go"
donor=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "donor") | .digest' "$store/index.json")
jq '.manifests |= map(select(.annotations["org.opencontainers.image.ref.name"] != "donor"))' "$store/index.json" >"$work/index.json"
cp "$work/index.json" "$store/index.json"
bootstrap=$(jq -r '.layers[-1].digest' "$store/blobs/sha256/${donor#sha256:}")
rm "$store/blobs/sha256/${donor#sha256:}" "$store/blobs/sha256/${bootstrap#sha256:}"

blobctl inspect --store "$store" plus >"$work/inspect.txt"
blobctl check --store "$store" plus
note "skopeo carries it to another store, with all that it refers to"
skopeo copy -q "oci:$store:plus" "oci:$work/copy:plus"
blobctl check --store "$work/copy" plus
serve "$work/copy"
image=$(blobctl prepare --cache "$work/cache" --registry "$served/app" plus)
start_demandd --registry "$served/app"
mount_image "$image" "$work/mnt"
unpack_with_umoci "$layout:python-plus" "$work/bundle"
"$ONDEMAND_SOURCE/tests/system/compare_trees.py" "$work/bundle/rootfs" "$work/mnt"
blobctl umount "$work/mnt"
stop "$daemon" || fail "demandd ended with status $?"

note "one blob for the image, bounded, deterministic, and a dictionary of a dictionary"
convert() { mkfs-erofs-ondemand --json --no-sync -o "$store" --blobs image --max-blobs 2 "$@" "$layout" | jq -r .manifest; }
one=$(convert --ref one --chunk-dict plus --jobs 1)
two=$(convert --ref two --chunk-dict plus --jobs 3)
[ "$one" = "$two" ] || fail "the number of threads changed the image"
devices=$(jq '[.layers[] | select(.annotations["org.erofs.role"] == "device")] | length' "$store/blobs/sha256/${one#sha256:}")
[ "$devices" -le 2 ] || fail "$devices blobs, not 2 at most"
image=$(blobctl prepare --cache "$work/cache" --store "$store" one)
start_demandd --store "$store"
mount_image "$image" "$work/mnt"
"$ONDEMAND_SOURCE/tests/system/compare_trees.py" "$work/bundle/rootfs" "$work/mnt"
blobctl umount "$work/mnt"
stop "$daemon" || fail "demandd ended with status $?"

note "what cannot be a dictionary"
expect_error 1 'none.*is not in the store' mkfs-erofs-ondemand -o "$store" --chunk-dict none "$layout"
expect_error 2 'max-blobs' mkfs-erofs-ondemand -o "$store" --chunk-dict plus --max-blobs 0 "$layout"
cp -a "$layout" "$work/tar-layout"
expect_error 1 'ordinary tar image' mkfs-erofs-ondemand -o "$work/tar-layout" --ref x --chunk-dict python-plus "$layout"
