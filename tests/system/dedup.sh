#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A second, related image adds at most 1.05 times the ideal: its unique chunks, compressed, as
# blobctl measures them.  What it adds is counted in full: data, chunk indexes and bootstrap.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools umoci jq

first=$(real_image python)
note "images on one base share its blobs bit for bit, without a dictionary"
blobs_of() { mkfs-erofs-ondemand --json --no-sync -o "$work/shared" --ref "$1" "$2" | jq -r '.blobs[] | "\(.digest) \(.was_there // false)"'; }
blobs_of one "$first" >"$work/one"
blobs_of two "$(real_image python-plus)" >"$work/two"
# The two layers of Debian below are the same in both; the layer above them is not.
[ "$(head -n 2 "$work/two")" = "$(head -n 2 "$work/one" | sed 's/false$/true/')" ] ||
  fail "the base is not shared: $(cat "$work/one" "$work/two")"
[ "$(sed -n 3p "$work/two" | cut -d' ' -f2)" = false ] || fail "the third layer should differ"
rm -rf "$work/shared"

for name in python-plus python-old; do
  second=$(real_image "$name")
  ideal=$(blobctl measure --chunk-size 64K --json "$first" "$second" | jq '.images[1].chunks[0].stored[0].stored_bytes')
  for blobs in layer image; do
    store=$work/$name-$blobs
    convert() { mkfs-erofs-ondemand --json --no-sync --blobs "$blobs" -o "$store" "$@"; }
    convert --ref first "$first" >/dev/null
    added=$(convert --ref second --chunk-dict first "$second" | jq .bytes.added)
    note "$name, a blob for each $blobs: adds $added bytes, ideal $ideal"
    [ $((added * 100)) -le $((ideal * 105)) ] || fail "more than 1.05 times the ideal"
    again=$(convert --ref again --chunk-dict first --chunk-dict second "$second" | jq .bytes.added)
    [ "$again" -eq 0 ] || fail "a third time, it adds $again bytes"
  done
done
