#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every form in which an image can come gives the same bootstrap and the same blobs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools umoci skopeo jq zstd xz gzip

layout=$(real_image python)
convert() { # NAME ARGUMENTS...
  local name=$1
  shift
  mkfs-erofs-ondemand --quiet --output "$work/store-$name" --ref app "$@"
  local manifest
  manifest=$(jq -r '.manifests[0].digest' "$work/store-$name/index.json" | cut -d: -f2)
  jq -r '.layers[].digest' "$work/store-$name/blobs/sha256/$manifest" >"$work/layers-$name"
  rm -rf "${work:?}/store-$name"
}
same() {
  convert "$@"
  cmp "$work/layers-layout" "$work/layers-$1" || fail "$1: other objects than from the layout"
  note "$1: the same objects"
}

convert layout "$layout"
[ "$(wc -l <"$work/layers-layout")" -eq 9 ] || fail "4 blobs, 4 indexes and a bootstrap expected"

skopeo copy -q "oci:$layout:python" "oci-archive:$work/oci.tar:python"
same oci-archive "$work/oci.tar"
same oci-archive-one-job --jobs 1 "$work/oci.tar"
skopeo copy -q "oci:$layout:python" "docker-archive:$work/docker.tar:python:latest"
same docker-archive "$work/docker.tar"
skopeo copy -q --dest-compress-format zstd --dest-compress "oci:$layout:python" "oci:$work/zstd:python"
grep -q zstd "$work"/zstd/blobs/sha256/"$(jq -r '.manifests[0].digest' "$work/zstd/index.json" | cut -d: -f2)" \
  && same zstd-layers "$work/zstd"
gzip -1 <"$work/oci.tar" >"$work/oci.tar.gz"
same gzip-of-archive "$work/oci.tar.gz"
zstd -q -1 "$work/oci.tar" -o "$work/oci.tar.zst"
same zstd-of-archive - <"$work/oci.tar.zst"
xz -0 <"$work/docker.tar" >"$work/docker.tar.xz"
same xz-of-docker-archive "$work/docker.tar.xz"

note "standard input, from a pipe and from a file"
same standard-input - <"$work/oci.tar"
(
  cat "$work/docker.tar"
) | same pipe -

note "another time zone, locale and umask"
(
  umask 077
  TZ=Pacific/Auckland LC_ALL=C same environment "$work/oci.tar"
)

note "SOURCE_DATE_EPOCH: the same manifest at any time, and no later time of creation in it"
created() { # STORE
  local manifest config
  manifest=$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d: -f2)
  config=$(jq -r '.config.digest' "$1/blobs/sha256/$manifest" | cut -d: -f2)
  jq -r '.created' "$1/blobs/sha256/$config"
}
for copy in 1 2; do
  SOURCE_DATE_EPOCH=86400 mkfs-erofs-ondemand -q --no-sync -o "$work/epoch-$copy" --ref app "$layout"
done
cmp "$work/epoch-1/index.json" "$work/epoch-2/index.json" || fail "two manifests of one epoch"
[ "$(created "$work/epoch-1")" = 1970-01-02T00:00:00Z ] || fail "created at $(created "$work/epoch-1")"
SOURCE_DATE_EPOCH=253402300799 mkfs-erofs-ondemand -q --no-sync -o "$work/epoch-3" --ref app "$layout"
[[ $(created "$work/epoch-3") != 1970-* ]] || fail "an earlier time was changed: $(created "$work/epoch-3")"
