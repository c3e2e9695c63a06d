#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input gives one clear line, the right exit status, and nothing half-written.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools umoci jq skopeo
cd "$work"

# refused STATUS PATTERN ARGUMENTS...: mkfs-erofs-ondemand into "store", which stays as it was.
mkdir before
refused() {
  local status=$1 pattern=$2
  shift 2
  rm -rf store
  expect_error "$status" "$pattern" mkfs-erofs-ondemand --output store "$@"
  if [ -d store ]; then
    [ "$(find store -path '*/sha256/*' | wc -l)" -eq 0 ] || fail "objects left behind by: $*"
    [ "$(find store -name '*tmp*' | wc -l)" -eq 0 ] || fail "temporaries left behind by: $*"
  fi
}

note "images that are none"
: >empty
head -c 100000 /dev/urandom >random
echo '{"a": 1}' >text.json
refused 1 'empty: .*' empty
refused 1 'random: .*not a tar' random
refused 1 'text.json: .*not a tar' text.json
refused 1 'absent.tar: .*No such file' absent.tar
mkdir directory && refused 1 'directory: ' directory

note "a plain tar, cut at many places"
mkdir -p root/etc && seq 1 20000 >root/etc/numbers && echo hi >root/b && ln -s b root/c
tar -cf root.tar -C root .
size=$(stat -c %s root.tar)
# The last bytes are padding behind the end mark; what matters ends before.
end=$(tar -tRf root.tar | sed -n 's/^block \([0-9]*\):.*/\1/p' | tail -n 1)
for cut in 1 511 512 513 1024 2000 5000 20000 $((end * 512 - 1)) $((end * 512)); do
  head -c "$cut" root.tar >cut.tar
  refused 1 'cut.tar: ' cut.tar
  refused 1 'standard input: ' - < cut.tar || true
done
[ "$cut" -lt "$size" ] || fail "nothing was cut"

note "names that lead elsewhere"
tar -cf up.tar -C root --transform 's,^./b$,../b,' ./b
refused 1 'up.tar: .*\.\.' up.tar
tar -cPf absolute.tar -C root --transform 's,^./b$,/b,' ./b
mkfs-erofs-ondemand --output absolute --ref app --quiet absolute.tar 2>absolute.err
[ "$(grep -c 'warning: absolute.tar: /b: begins with a slash' absolute.err)" -eq 1 ] || fail "$(cat absolute.err)"
blobctl export --store absolute app | tar -t | grep -x b >/dev/null || fail "a name with a leading slash is not in the root"

note "OCI layouts with damage"
umoci init --layout good && umoci new --image good:app
umoci raw add-layer --image good:app root.tar 2>/dev/null
manifest=$(jq -r '.manifests[0].digest' good/index.json | cut -d: -f2)
layer=$(jq -r '.layers[0].digest' "good/blobs/sha256/$manifest" | cut -d: -f2)
config=$(jq -r '.config.digest' "good/blobs/sha256/$manifest" | cut -d: -f2)
damage() { rm -rf bad && cp -a good bad; }
damage && rm "bad/blobs/sha256/$layer" && refused 1 "$layer.*missing" bad
damage && printf 'x' | dd of="bad/blobs/sha256/$layer" bs=1 seek=100 conv=notrunc 2>/dev/null && refused 1 'bad: ' bad
damage && truncate -s -10 "bad/blobs/sha256/$layer" && refused 1 "$layer" bad
damage && truncate -s 100 "bad/blobs/sha256/$config" && refused 1 'config' bad
damage && echo '{' >bad/index.json && refused 1 'index.json' bad
damage && rm bad/oci-layout && refused 1 'bad: ' bad
sed 's/tar+gzip/tar+lzop/' "good/blobs/sha256/$manifest" >odd.json
odd=$(sha256sum odd.json | cut -d' ' -f1)
damage && cp odd.json "bad/blobs/sha256/$odd" && sed -i "s/$manifest/$odd/" bad/index.json && refused 1 'lzop' bad
refused 1 "no image|not found|linux/s390x" --platform linux/s390x good

note "places that cannot be written"
mkdir other && echo x >other/file
expect_error 1 'other: .*not an OCI image layout' mkfs-erofs-ondemand --output other root.tar
expect_error 1 'No such file|Not a directory' mkfs-erofs-ondemand --output empty/store root.tar
if [ "$(id -u)" -eq 0 ]; then
  truncate -s 8M disk && mkfs.ext4 -q disk && mkdir full && mount -o loop disk full && mounts+=("$work/full")
  head -c 40000000 /dev/urandom >root/big && tar -cf big.tar -C root .
  expect_error 1 'No space left' mkfs-erofs-ondemand --output full/store --compression none big.tar
  [ "$(find full/store/blobs -type f | wc -l)" -eq 0 ] || fail "half an object on the full disk"
  mkfs-erofs-ondemand --quiet --output full/store root.tar || fail "the next, smaller image does not fit"
  blobctl inspect --store full/store root >/dev/null
fi

note "wrong usage"
refused 2 'IMAGE' --quiet
refused 2 'IMAGE.*must not be empty' ''
expect_error 2 'output.*must not be empty' mkfs-erofs-ondemand -o '' root.tar
refused 2 "reference 'sha256:abc': .*no digest" --ref sha256:abc root.tar
refused 1 'no image with the digest' --ref "sha256:$(printf %064d 0)" root.tar
refused 2 'chunk-size' --chunk-size 5000 root.tar
refused 2 'chunk-size' --chunk-size 1K root.tar
refused 2 'compression' --compression zip root.tar
refused 2 'compression' --compression zstd:99 root.tar
refused 2 'platform' --platform x root.tar
refused 2 'ref' --ref 'a b' root.tar
refused 2 'nonsense' --nonsense root.tar
refused 2 'max-blobs' --max-blobs 0 root.tar
refused 1 "dictionary 'none': .*not in the store" --chunk-dict none root.tar
expect_error 2 'subcommand' blobctl
expect_error 2 'chunk-size' blobctl measure --chunk-size 5000 root.tar
expect_error 2 'frame-size' blobctl measure --frame-size 5000 root.tar
expect_error 2 'compression' blobctl measure --compression zip root.tar
expect_error 2 'standard input' blobctl measure -
while read -r pattern arguments; do
  # shellcheck disable=SC2086 # words are wanted
  refused 2 "$pattern" $arguments root.tar
done <<'END'
--whiteouts:.*oci.overlayfs --whiteouts x
--whiteouts:.*oci.overlayfs --whiteouts 0
--blobs:.*layer.image --blobs x
--blobs:.*layer.image --blobs 1
--max-bytes:.*negative --max-bytes -1
--frame-size:.*negative --frame-size -4K
--frame-size:.*4096 --frame-size 5000
--chunk-size:.*power --chunk-size 12K
--jobs --jobs 0
--compression:.*zstd --compression zstd:99
--max-blobs --max-blobs 0
END
SOURCE_DATE_EPOCH=abc refused 2 "SOURCE_DATE_EPOCH: .*'abc'" root.tar
expect_error 1 'absent.tar: .*No such file' blobctl measure root.tar absent.tar
expect_error 1 'cut.tar: ' blobctl measure cut.tar
expect_error 2 'store' blobctl prepare app
expect_error 2 'http' blobctl prepare --cache cache --registry ftp://127.0.0.1/x app
expect_error 2 'store|registry' demandd --cache cache

note "blobctl at a cache and a store"
mkfs-erofs-ondemand --output store --ref app root.tar >/dev/full 2>full.err && fail "a full standard output"
grep -q 'standard output: write: failed; the image is in the store as app' full.err || fail "$(cat full.err)"
for command in "check --store store app no-such" "diff --store store app app" "export --store store app" "measure root.tar" \
  "--help" "inspect --help"; do
  for output in /dev/full '&-'; do
    # shellcheck disable=SC2086
    if [ "$output" = '&-' ]; then blobctl $command >&- 2>full.err; else blobctl $command >"$output" 2>full.err; fi &&
      fail "blobctl $command: $output as standard output"
    [ "$(cat full.err)" = 'blobctl: standard output: write: failed' ] || fail "blobctl $command >$output: $(cat full.err)"
  done
done
expect_error 1 'no-such' blobctl prepare --cache cache --store store no-such
expect_error 1 'directory' blobctl prepare --cache cache --store directory app
expect_error 1 '127.0.0.1:9' blobctl prepare --cache cache --registry http://127.0.0.1:9/app app
expect_error 1 'app' blobctl mount --cache cache app "$work"
expect_error 1 'directory' blobctl serve directory
serve "$work/store"
expect_error 1 'in use' blobctl serve store --listen "${served#http://}"
expect_error 1 'no-such' blobctl prepare --cache cache --registry "$served/app" no-such
[ -z "$(find cache -name 'D*' 2>/dev/null)" ] || fail "a failed prepare left backing files"
blobctl prepare --cache cache --registry "$served/app" app >/dev/null
expect_error 1 'demandd' blobctl mount --cache cache app "$work/other"
expect_error 1 "$work" blobctl umount --cache cache "$work"
