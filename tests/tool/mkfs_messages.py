#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What mkfs-erofs-ondemand refuses, it refuses by name: which file, which entry of it, and why; each name once."""
import gzip
import hashlib
import io
import json
import lzma
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from tar_entry import entry

BIN = pathlib.Path(os.environ["ONDEMAND_BIN"])
work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-messages-", dir="/var/tmp"))
NAMED_ACL = "user::rw-,user:bob:r--,group::r--,mask::r--,other::r--"
LONG = "user." + "n" * 251


def tar(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def build(image, *options, **more):
    return subprocess.run([BIN / "mkfs-erofs-ondemand", "-q", "--no-sync", "--ref", "app", "-o", "store", *options, image],
                          cwd=work, capture_output=True, timeout=120, **more)


def messages(content, *options):
    (work / "in.tar").write_bytes(content)
    result = build("in.tar", *options)
    lines = [line.removeprefix("mkfs-erofs-ondemand: ") for line in result.stderr.decode().splitlines()]
    return result.returncode, lines


def refused(content, want, *options):
    status, lines = messages(content, *options)
    assert (status, lines) == (1, [want]), (status, lines)


def dropped(content, want):
    status, lines = messages(content, "--lossy")
    assert status == 0 and [want in line for line in lines] == [True], (status, lines)


def check_sources():
    plain = tar(entry("a", b"1" * 5000))
    over = "read: more than 10 bytes"
    refused(plain, f"in.tar: {over} in all layers, uncompressed; --max-bytes allows more", "--max-bytes", "10")
    refused(gzip.compress(plain), f"in.tar: {over}, uncompressed; --max-bytes allows more", "--max-bytes", "10")
    result = build("-", "--max-bytes", "10", input=plain)
    assert result.stderr.startswith(b"mkfs-erofs-ondemand: standard input: " + over.encode()), result.stderr
    cut = gzip.compress(plain)[:40]
    refused(cut, "in.tar: decompress gzip before byte 40: data ends too early")
    cut = lzma.compress(plain)[:60]
    refused(cut, "in.tar: decompress xz before byte 60: data ends too early")


def check_entries():
    device = entry("c", type=tarfile.CHRTYPE, devmajor=4096)
    refused(tar(device), "in.tar: /c: store in erofs: device number 4096:0: Linux has no such numbers")
    for inside in (entry("d/x"), entry("d/e/x"), entry("d/e/", type=tarfile.DIRTYPE)):
        refused(tar(entry("d"), inside), f"in.tar: {inside[0].name}: add entry: parent d is not a directory")
    around = entry("d", type=tarfile.SYMTYPE, linkname="d")
    refused(tar(around, entry("d/x")), "in.tar: d/x: add entry: parent d is a loop of symbolic links")


def check_whiteouts():
    """Their owner means nothing, so it may be any."""
    for options in ((), ("--lossy",)):
        status, lines = messages(tar(entry("d/.wh.a", pax={"uid": "4294967296"})), *options)
        assert status == 0 and len(lines) == 1 and ".wh.a: is left out" in lines[0], lines
    status, _ = messages(tar(entry(".wh.a", pax={"uid": "4294967296"})), "--whiteouts", "overlayfs")
    assert status == 1


def check_xattrs():
    many = {f"SCHILY.xattr.user.a{i}": "v" * 60000 for i in range(6)}
    size = 12 + 6 * (4 + 2 + 60000 + 2)
    nested = [entry("dir", type=tarfile.DIRTYPE, mode=0o755), entry("dir/f", b"x", pax=many)]
    refused(tar(*nested), f"in.tar: /dir/f: xattr user.a0: store in erofs: with the inode's others {size} bytes, "
            "more than the 256 KiB for one inode")
    status, lines = messages(tar(*nested), "--lossy")
    assert status == 0 and len(lines) == 2 and all("in.tar: dir/f: xattr user.a" in line for line in lines), lines
    long = tar(entry("f", pax={"SCHILY.xattr." + LONG: "v", "SCHILY.xattr." + LONG[:-1]: "v"}))
    refused(long, f"in.tar: /f: xattr {LONG}: store in erofs: name is longer than 255 bytes")
    dropped(long, f"in.tar: f: xattr {LONG}: dropped: its name is longer than 255 bytes")
    text = {"SCHILY.acl.access": NAMED_ACL}
    assert messages(tar(entry("f", pax=text)))[0] == 1
    exact = {"SCHILY.xattr.system.posix_acl_access": "\2\0\0\0"}
    assert messages(tar(entry("f", pax={**text, **exact}))) == (0, [])


def check_default_names():
    """A version is no extension."""
    for file, name in (("app.tar", "app"), ("app-1.2.3.tar.gz", "app-1.2.3"), ("v1.0.oci.tar", "v1.0"), (".tar", "image"),
                       ("app 1.tgz", "app-1"), ("plain", "plain")):
        (work / file).write_bytes(tar(entry("f", b"data")))
        result = subprocess.run([BIN / "mkfs-erofs-ondemand", "--json", "--no-sync", "-o", "store", file],
                                cwd=work, capture_output=True, check=True)
        assert json.loads(result.stdout)["ref"] == name, (file, result.stdout)


def check_full_output():
    """What did not reach its reader is told once."""
    for tool in ("mkfs-erofs-ondemand", "demandd", "blobctl"):
        for option in ("--help", "--version"):
            with open("/dev/full", "wb") as full:
                result = subprocess.run([BIN / tool, option], stdout=full, stderr=subprocess.PIPE)
            told = f"{tool}: standard output: write: failed\n".encode()
            assert (result.returncode, result.stderr) == (1, told), (tool, option, result.stderr)


def check_our_own_image():
    assert messages(tar(entry("f", b"data"))) == (0, [])
    os.rename(work / "store", work / "image")
    result = build("image")
    assert result.returncode == 1 and b": read: is an EROFS image already\n" in result.stderr, result.stderr


def check_dictionary_that_lies():
    """Its digest of uncompressed bytes is believed, unless --verify is given."""
    data = entry("f", os.urandom(4 << 20))
    assert messages(tar(data)) == (0, [])
    blobs = work / "store" / "blobs" / "sha256"
    index = json.loads((work / "store" / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    device = next(layer for layer in manifest["layers"] if layer.get("annotations", {}).get("org.erofs.role") == "device")
    device["annotations"]["org.erofs.uncompressed-digest"] = "sha256:" + "a" * 64
    lie = json.dumps(manifest).encode()
    digest = hashlib.sha256(lie).hexdigest()
    (blobs / digest).write_bytes(lie)
    index["manifests"][0].update(digest="sha256:" + digest, size=len(lie))
    before = json.dumps(index)
    (work / "store" / "index.json").write_text(before)
    status, lines = messages(tar(data, entry("g")), "--chunk-dict", "app", "--verify")
    assert status == 1 and "verify what was written: blob sha256:" in lines[0], lines
    assert (work / "store" / "index.json").read_text() == before


try:
    check_sources()
    check_entries()
    check_whiteouts()
    check_xattrs()
    check_default_names()
    check_full_output()
    shutil.rmtree(work / "store")
    check_our_own_image()
    check_dictionary_that_lies()
finally:
    shutil.rmtree(work)
