#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An image comes back as a tar: unpacked by GNU tar it equals the source, and built again it gives
# the same bootstrap.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools umoci jq setfattr
require_root
cd "$work"

compare() { "$ONDEMAND_SOURCE/tests/system/compare_trees.py" "$@"; }
unpack() { mkdir "$2" && tar --warning=no-timestamp --numeric-owner --xattrs --xattrs-include='*' -xf "$1" -C "$2"; }
# layers STORE: the digests of the image's layers.
layers() {
  local manifest
  manifest=$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d: -f2)
  jq -r '.layers[].digest' "$1/blobs/sha256/$manifest"
}
# again TAR STORE: built again, exported again.
again() {
  mkfs-erofs-ondemand --quiet --output "$2" --ref app "$1"
  blobctl export --store "$2" app >"$2.tar"
}

note "a real image of four layers"
layout=$(real_image python)
mkfs-erofs-ondemand --quiet --output store --ref app "$layout"
blobctl export --store store app --output one.tar
unpack_with_umoci "$layout:python" bundle
unpack one.tar one
compare bundle/rootfs one
again one.tar two
cmp one.tar two.tar || fail "another archive the second time"
again two.tar three
[ "$(layers two)" = "$(layers three)" ] || fail "another image the second time"

note "built from one tar: the same bootstrap and the same blob"
tar -c --sort=name --numeric-owner --xattrs --xattrs-include='*' --format=pax -C one -f sorted.tar .
again sorted.tar first
again first.tar second
[ "$(layers first)" = "$(layers second)" ] || fail "another image than from the source"

note "over HTTP"
serve "$work/store"
blobctl export --registry "$served/app" app | cmp - one.tar || fail "another archive over HTTP"

note "everything that a tar can hold"
mkdir -p odd/deep/er && cd odd
printf 'hello' >file && ln file deep/again && ln -s ../file deep/link && ln -s "$(printf 'x%.0s' {1..300})" long-link
ln long-link link-to-link
mknod null c 1 3 && mknod zero c 0 0 && mknod disk b 8 1 && mkfifo fifo
long=$(printf 'n%.0s' {1..255})
mkdir -p "$long/$long" && echo deep >"$long/$long/$long"
printf 'any' >$'bytes\n\xff\xc0=%25'
truncate -s 100G hole && truncate -s 300M holes && printf x | dd of=holes bs=1 seek=200000000 conv=notrunc 2>/dev/null
head -c 300000 /dev/zero >zeros
: >empty
chown 4294967294:2097152 file && chmod 6755 deep && chmod 1777 deep/er
setfattr -n user.text -v "a value" file
setfattr -n user.a=b -v "equals sign" file
setfattr -n trusted.dir -v 0x00ff00 deep
setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 null
# user::rwx,user:1000:r--,group::r-x,mask::r-x,other::---
acl=0x0200000001000700ffffffff02000400e803000004000500ffffffff10000500ffffffff20000000ffffffff
setfattr -n system.posix_acl_access -v $acl hole 2>/dev/null && setfattr -n system.posix_acl_default -v $acl deep/er
touch -d '1931-05-06 07:08:09.123456789 UTC' file
touch -h -d '2200-01-01 00:00:00.5 UTC' long-link
touch -d '2106-02-07 06:28:16 UTC' empty
touch -d '1969-12-31 23:59:59.999999999 UTC' deep deep/er .
cd ..
tar -c --sparse --sort=name --numeric-owner --xattrs --xattrs-include='*' --format=pax -C odd -f odd.tar .
mkfs-erofs-ondemand --quiet --output odd-store --ref app odd.tar
timeout 60 blobctl export --store odd-store app --output odd-out.tar
[ "$(stat -c %s odd-out.tar)" -lt 1000000 ] || fail "holes were stored"
unpack odd-out.tar odd-out
# The 100 GiB of zeros are not read twice over.
truncate -s 1M odd/hole odd-out/hole
touch -r odd/empty odd/hole odd-out/hole
compare odd odd-out
mkdir with-acls && tar --warning=no-timestamp --numeric-owner --xattrs --xattrs-include='*' --acls -xf odd-out.tar -C with-acls
truncate -s 1M with-acls/hole && touch -r odd/empty with-acls/hole
compare odd with-acls
again odd-out.tar odd-again
[ "$(layers odd-store)" = "$(layers odd-again)" ] || fail "odd files: another image"
cmp odd-out.tar odd-again.tar

note "results that cannot be"
expect_error 1 'no-such' blobctl export --store store no-such
expect_error 1 'absent' blobctl export --store store app --output absent/file.tar
expect_error 2 'store|registry' blobctl export app
(ulimit -f 100; expect_error 1 'File too large' blobctl export --store store app --output large.tar)
[ ! -e large.tar ] || fail "half an archive under its name"
note "a link is followed, and nothing is left beside the archive"
mkdir elsewhere && ln -s elsewhere/target.tar link.tar
for _ in 1 2; do
  blobctl export --store store app --output link.tar
  [ -L link.tar ] || fail "the link was replaced"
  cmp elsewhere/target.tar one.tar
done
[ "$(ls -A elsewhere)" = target.tar ] || fail "left beside the target: $(ls -A elsewhere)"

note "what is damaged"
blob=$(layers store | head -n 1 | cut -d: -f2)
printf 'XXXX' | dd of="store/blobs/sha256/$blob" bs=1 seek=5000 conv=notrunc 2>/dev/null
expect_error 1 "$blob: frame 0 at 0x0: verify: .*digest" blobctl export --store store app --output bad.tar
[ ! -e bad.tar ] || fail "an archive of bad data"
