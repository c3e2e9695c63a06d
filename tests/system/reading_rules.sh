#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the user asks of the reading of layers: --lossy, --whiteouts, limits.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools jq python3 gzip bzip2 xz zstd umoci
cd "$work"

# tar FILE CODE: python's tarfile, for entries that no file here can have.
make_tar() {
  python3 - "$1" "$2" <<'PYTHON'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as out:
    def add(name, data=b"", type=tarfile.REGTYPE, pax={}, **fields):
        info = tarfile.TarInfo(name)
        info.size, info.type, info.pax_headers = len(data), type, pax
        for key, value in fields.items():
            setattr(info, key, value)
        out.addfile(info, io.BytesIO(data))
    exec(sys.argv[2])
PYTHON
}
names() { blobctl export --store "$1" "$2" | tar -t | sort | tr '\n' ' '; }

note "what EROFS cannot hold is refused with the entry's name"
make_tar mac.tar 'add("dir/file", b"x", pax={"SCHILY.xattr.com.apple.quarantine": "q", "SCHILY.xattr.user.ok": "v"})'
expect_error 1 'dir/file: xattr com.apple.quarantine: store in erofs' mkfs-erofs-ondemand --output mac mac.tar
make_tar big.tar 'add("file", b"x", pax={"SCHILY.xattr.user.big": "v" * 70000})'
expect_error 1 'file: xattr user.big: .*70000 bytes is over 65535' mkfs-erofs-ondemand --output big big.tar
make_tar acl.tar 'add("file", b"x", pax={"SCHILY.acl.access": "user::rw-,user:alice:r--,group::r--,mask::r--,other::---"})'
expect_error 1 '\(file\): acl user:alice:r--: names a user without a number' mkfs-erofs-ondemand --output acl acl.tar
make_tar device.tar 'add("etc/a", b"x"); add("dev/odd", type=tarfile.CHRTYPE, devmajor=5000, devminor=1)'
expect_error 1 'dev/odd: .*device number 5000:1' mkfs-erofs-ondemand --output device device.tar

make_tar ace.tar 'add("file", b"x", pax={"SCHILY.acl.ace": "owner@:rwxp:-------:allow"})'
expect_error 1 '\(file\): acl ace: erofs has no place for an NFSv4 ACL' mkfs-erofs-ondemand --output ace ace.tar
make_tar huge.tar 'add("dir/huge", b"x", pax={"SCHILY.xattr.user.huge": "v" * 2000000})'
expect_error 1 '\(dir/huge\): extended attributes: 2000009 bytes' mkfs-erofs-ondemand --output huge huge.tar
make_tar flags.tar 'add("file", b"x", pax={"SCHILY.fflags": "nodump"})'
mkfs-erofs-ondemand --output flags-told --quiet flags.tar 2>flags.err
grep -q 'warning: flags.tar: file at byte 0: file flags nodump are left out' flags.err || fail "$(cat flags.err)"

note "--lossy drops it, and tells each"
for name in mac big acl device ace huge flags; do
  mkfs-erofs-ondemand --output $name --ref app --lossy --json $name.tar >$name.json 2>$name.err
  [ "$(jq .dropped $name.json)" -eq 1 ] || fail "$name: dropped $(jq .dropped $name.json)"
  [ "$(wc -l <$name.err)" -eq 1 ] || fail "$name: $(cat $name.err)"
  blobctl check --store $name app >/dev/null
  mkfs-erofs-ondemand --output "$name-2" --ref app --lossy --blobs image --verify --json $name.tar 2>/dev/null | jq -e '.dropped == 1' >/dev/null
done
grep -q 'warning: mac.tar: dir/file: xattr com.apple.quarantine: dropped' mac.err
grep -q 'warning: acl.tar: file: acl user:alice:r--: names a user without a number.*: dropped' acl.err
[ "$(blobctl export --store mac app | tar --xattrs -tvv 2>/dev/null | grep -c 'user.ok')" -eq 1 ] || fail "user.ok is lost"
[ "$(names device app)" = "./ dev/ etc/ etc/a " ] || fail "device: $(names device app)"
mkfs-erofs-ondemand --output good --ref app --lossy --json acl.tar >/dev/null 2>&1
make_tar plain.tar 'add("etc/a", b"x")'
[ "$(mkfs-erofs-ondemand --output plain --lossy --json plain.tar | jq .dropped)" -eq 0 ] || fail "something was dropped of nothing"

note "entries that EROFS cannot hold go whole, and what is in them or links to them"
make_tar ids.tar 'add("a", b"x", uid=2**32); add("b", type=tarfile.LNKTYPE, linkname="a"); add("c", b"x", gid=2**40); add("ok", b"x")'
make_tar name.tar 'add("n" * 256, type=tarfile.DIRTYPE); add("n" * 256 + "/f", b"x"); add("l" * 256, b"x"); add("ok", b"x")'
make_tar target.tar 'add("a", type=tarfile.SYMTYPE, linkname="t" * 4096); add("b", type=tarfile.LNKTYPE, linkname="a"); add("c", type=tarfile.LNKTYPE, linkname="b"); add("ok", b"x")'
for name in ids name target; do
  expect_error 1 'does not fit 32 bits|longer than 255 bytes|4096 bytes long' mkfs-erofs-ondemand --output "$name" $name.tar
  for form in layer image; do
    mkfs-erofs-ondemand --output "$name-$form" --ref app --lossy --verify --blobs $form --json - <$name.tar >$name.json 2>$name.err
    [ "$(jq .dropped $name.json) $(wc -l <$name.err)" = "3 3" ] || fail "$name: $(cat $name.err)"
    [ "$(names "$name-$form" app)" = "./ ok " ] || fail "$name: $(names "$name-$form" app)"
  done
done

note "what is dropped stays so in later layers, and a directory that is there keeps its files"
make_tar drop1.tar 'add("secret", type=tarfile.DIRTYPE, mode=0o700, uid=2**40); add("file", b"x", uid=2**40); add("usr/a", b"1")'
make_tar drop2.tar 'add("secret/key", b"k"); add("link", type=tarfile.LNKTYPE, linkname="file"); add("usr", type=tarfile.DIRTYPE, uid=2**40); add("new/b", b"2"); add("new", type=tarfile.DIRTYPE, uid=2**40)'
umoci init --layout drop && umoci new --image drop:app
for layer in drop1 drop2; do umoci raw add-layer --image drop:app $layer.tar 2>/dev/null; done
mkfs-erofs-ondemand --output drop-store --ref app --lossy --json drop >drop.json 2>drop.err
[ "$(names drop-store app)" = "./ usr/ usr/a " ] || fail "dropped: $(names drop-store app)"
[ "$(jq .dropped drop.json) $(wc -l <drop.err)" = "7 7" ] || fail "$(cat drop.err)"
grep -q 'usr/: uid .*: the directory keeps the metadata that it had' drop.err || fail "$(cat drop.err)"
grep -q 'new/b: dropped with the entry: lies in new, which is dropped' drop.err || fail "$(cat drop.err)"
make_tar drops.tar 'for n in range(10005): add(f"f{n}", uid=2**40)'
mkfs-erofs-ondemand --output drops --lossy --quiet drops.tar 2>drops.err
[ "$(wc -l <drops.err)" -eq 10001 ] || fail "$(wc -l <drops.err) lines"
grep -q '10005 things were dropped in all' drops.err || fail "no total: $(tail -1 drops.err)"

note "whiteouts in a plain root file system are left out with a warning"
make_tar wh.tar 'add("etc/.wh.a", b""); add("etc/b", b"x"); add("dir/.wh..wh..opq", b"")'
mkfs-erofs-ondemand --output wh --ref app --quiet wh.tar 2>wh.err
[ "$(grep -c 'etc/.wh.a: is left out\|dir/.wh..wh..opq: is left out' wh.err)" -eq 2 ] || fail "$(cat wh.err)"

note "overlayfs-style markers are devices and attributes by default, markers by option"
make_tar lower.tar 'add("etc/gone", b"1"); add("etc/kept", b"2"); add("opaque/below", b"3"); add("opaque2/below", b"3")'
make_tar upper.tar 'add("etc/gone", type=tarfile.CHRTYPE); add("opaque", type=tarfile.DIRTYPE, pax={"SCHILY.xattr.trusted.overlay.opaque": "y"}); add("opaque/above", b"4"); add("opaque2", type=tarfile.DIRTYPE, pax={"SCHILY.xattr.user.overlay.opaque": "y"}); add("etc/.wh.kept", b"")'
umoci init --layout layout && umoci new --image layout:app
for layer in lower upper; do umoci raw add-layer --image layout:app $layer.tar 2>/dev/null; done
mkfs-erofs-ondemand --output store --quiet --ref oci layout
mkfs-erofs-ondemand --output store --quiet --ref overlay --whiteouts overlayfs layout
[ "$(names store oci)" = "./ etc/ etc/gone opaque/ opaque/above opaque/below opaque2/ opaque2/below " ] || fail "oci: $(names store oci)"
[ "$(names store overlay 2>warnings)" = "./ etc/ etc/.wh.kept etc/kept opaque/ opaque/above opaque2/ " ] || fail "overlayfs: $(names store overlay)"
grep -q 'etc/.wh.kept: .*whiteout' warnings || fail "no warning of a name that reads as a whiteout"
blobctl export --store store overlay 2>/dev/null | tar --xattrs -tvv | grep -q overlay && fail "markers are left"

make_tar marks.tar 'add("a", b"1", pax={"SCHILY.xattr.trusted.overlay.origin": "o", "SCHILY.xattr.trusted.overlay.overlay.origin": "o"}); add("b", b"1", pax={"SCHILY.xattr.trusted.overlay.origin": "o"})'
mkfs-erofs-ondemand --output marks --ref marks --quiet --whiteouts overlayfs marks.tar 2>marks.err
[ "$(grep -c 'warning: marks.tar: a: xattr trusted.overlay.origin: dropped: .*told once' marks.err)" -eq 1 ] || fail "$(cat marks.err)"
mkfs-erofs-ondemand --output marks2 --ref marks --json --lossy --whiteouts overlayfs marks.tar 2>marks.err | jq -e '.dropped == 2' >/dev/null || fail "$(cat marks.err)"
[ "$(blobctl export --store marks marks 2>/dev/null | tar --xattrs --xattrs-include='*' -tvv | grep -c 'x:.*trusted.overlay.origin')" -eq 1 ] || fail "the name of an inner overlay is lost"

note "overlayfs whiteouts may be hard links to one device, and hide all the same"
for name in a b c d/e kept; do mkdir -p "$(dirname "ovl-lower/$name")" && echo "lower $name" >"ovl-lower/$name"; done
tar -cf ovl-lower.tar -C ovl-lower .
expect_hidden() {
  umoci init --layout "$1" && umoci new --image "$1:app"
  for layer in ovl-lower.tar "$2"; do umoci raw add-layer --image "$1:app" "$layer" 2>/dev/null; done
  mkfs-erofs-ondemand --output "$1-store" --quiet --ref app --whiteouts overlayfs "$1"
  [ "$(names "$1-store" app)" = "./ d/ kept " ] || fail "$1: $(names "$1-store" app)"
}
# As Linux 5.8 and later make them.
make_tar ovl-links.tar 'add("./a", type=tarfile.CHRTYPE); add("./b", type=tarfile.LNKTYPE, linkname="./a"); add("./c", type=tarfile.LNKTYPE, linkname="./a"); add("./d", type=tarfile.DIRTYPE, mode=0o755); add("./d/e", type=tarfile.LNKTYPE, linkname="./a")'
expect_hidden links ovl-links.tar
# As the kernel here makes them.
mkdir ovl-rw
if mount -t tmpfs none ovl-rw && mkdir ovl-rw/upper ovl-rw/work ovl-rw/view &&
  mount -t overlay none -o lowerdir=ovl-lower,upperdir=ovl-rw/upper,workdir=ovl-rw/work ovl-rw/view; then
  rm ovl-rw/view/a ovl-rw/view/b ovl-rw/view/c ovl-rw/view/d/e
  tar --xattrs --xattrs-include='*' -cf ovl-upper.tar -C ovl-rw/upper .
  umount ovl-rw/view
  expect_hidden kernel ovl-upper.tar
fi
umount ovl-rw 2>/dev/null || true

note "limits"
for n in $(seq 50); do echo "add('f$n', b'x')"; done >many.py
make_tar many.tar "$(cat many.py)"
expect_error 1 'many.tar: read: more than 49 entries.*--max-entries' mkfs-erofs-ondemand --output many --max-entries 49 many.tar
mkfs-erofs-ondemand --output many --quiet --max-entries 52 many.tar || fail "52 entries are enough for 50 files and the root"
make_tar deep.tar 'add("d/" * 1000 + "f", b"x")'
expect_error 1 'deep.tar: .*more than 500 entries' mkfs-erofs-ondemand --output deep --max-entries 500 deep.tar
make_tar zeros.tar 'add("zeros", bytes(20000000))'
gzip -9 <zeros.tar >zeros.tar.gz
[ "$(stat -c %s zeros.tar.gz)" -lt 30000 ] || fail "the bomb is no bomb"
expect_error 1 'zeros.tar.gz: read: more than 1000000 bytes.*--max-bytes' mkfs-erofs-ondemand --output bomb --max-bytes 1000000 zeros.tar.gz
expect_error 1 'more than 1000000 bytes.*--max-bytes' mkfs-erofs-ondemand --output bomb --max-bytes 1000000 --blobs image zeros.tar.gz
mkfs-erofs-ondemand --output bomb --quiet --max-bytes 21M zeros.tar.gz
for program in "zstd -19" xz; do
  $program <zeros.tar >zeros.packed
  [ "$(stat -c %s zeros.packed)" -lt 30000 ] || fail "the bomb of $program is no bomb"
  expect_error 1 'zeros.packed: read: more than 1000000 bytes.*--max-bytes' mkfs-erofs-ondemand --output bomb --max-bytes 1000000 zeros.packed
done
# What is compressed twice is no tar: the inner layer is not undone.
for program in gzip zstd xz; do
  $program <zeros.tar.gz >nested.packed
  expect_error 1 'nested.packed: .*not a tar' mkfs-erofs-ondemand --output bomb nested.packed
done
bzip2 <zeros.tar >zeros.tar.bz2
expect_error 1 'zeros.tar.bz2: read: is compressed with bzip2' mkfs-erofs-ondemand --output bomb zeros.tar.bz2
mkdir archive && head -c 20000000 /dev/zero >archive/zeros && umoci init --layout archive-layout && umoci new --image archive-layout:app
umoci raw add-layer --image archive-layout:app zeros.tar 2>/dev/null
expect_error 1 'layer.*: read: more than 1000000 bytes in all layers' mkfs-erofs-ondemand --output bomb --max-bytes 1000000 archive-layout
tar -cf archive.tar -C archive-layout . && cat zeros.tar >>archive.tar
gzip -1 <archive.tar >archive.tar.gz
expect_error 1 'archive.tar.gz: .*more than 1000000 bytes' mkfs-erofs-ondemand --output bomb --max-bytes 1000000 archive.tar.gz
{ cat many.tar; head -c 30000000 /dev/zero; } | gzip -9 >tail.tar.gz
expect_error 1 'tail.tar.gz: .*more than 1000000 bytes' mkfs-erofs-ondemand --output bomb --max-bytes 1000000 tail.tar.gz
expect_error 2 'max-entries' mkfs-erofs-ondemand --output x --max-entries 0 many.tar
expect_error 2 'max-bytes' mkfs-erofs-ondemand --output x --max-bytes lots many.tar

note "sizes that lie"
# A sparse file whose data lies so that its map would need 2^43 entries, and one of 2^62 bytes of hole.
make_tar lies.tar 'add("f", b"1\n4611686018427383808\n4096\n".ljust(512, b"\0") + b"x" * 4096, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "f", "GNU.sparse.realsize": str(2**62)})'
expect_error 1 'lies.tar: .*f: .*entries needed' mkfs-erofs-ondemand --output lies lies.tar
make_tar hole.tar 'add("f", b"1\n4611686018427387904\n0\n".ljust(512, b"\0"), pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "f", "GNU.sparse.realsize": str(2**62)})'
mkfs-erofs-ondemand --output hole --ref app --json hole.tar >hole.json
# 2^62 bytes in chunks of 2^43, four bytes each.
make_tar lies-kept.tar 'add("f", b"1\n4611686018427383808\n4096\n".ljust(512, b"\0") + b"x" * 4096, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "f", "GNU.sparse.realsize": str(2**62)}); add("ok", b"x")'
for form in layer image; do
  mkfs-erofs-ondemand --output lies-$form --ref app --lossy --verify --blobs $form --json lies-kept.tar 2>lies.err | jq -e '.dropped == 1' >/dev/null || fail "$(cat lies.err)"
  grep -q 'f: sparse file that needs .*--chunk-size' lies.err || fail "$(cat lies.err)"
  [ "$(names lies-$form app)" = "./ ok " ] || fail "lies: $(names lies-$form app)"
done
[ "$(jq .bootstrap.size hole.json)" -lt 3000000 ] || fail "a hole costs $(jq .bootstrap.size hole.json) bytes"
python3 - <<'PYTHON'
import tarfile
info = tarfile.TarInfo("f")
info.size = 2**40
open("size.tar", "wb").write(info.tobuf() + bytes(100000))
PYTHON
expect_error 1 'size.tar: .*truncated' mkfs-erofs-ondemand --output size size.tar
