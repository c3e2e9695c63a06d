#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A second, related image adds at most 1.05 times the ideal: its unique chunks, compressed, as
# blobctl measures them.  What it adds is counted in full: data, chunk indexes and bootstrap.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools umoci jq

first=$(real_image python)
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
