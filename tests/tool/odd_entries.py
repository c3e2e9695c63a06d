#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Entries at the ends of every range come back from an image as they went in, in one layer and over several.

tarfile makes and reads the archives: no file system here could hold all of it.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from tar_entry import entry

BIN = pathlib.Path(os.environ["ONDEMAND_BIN"])
work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-odd-", dir="/var/tmp"))
ANY = bytes(c for c in range(1, 256) if c != ord("/")).decode("utf-8", "surrogateescape")
FIELDS = ("type", "mode", "uid", "gid", "linkname", "size", "devmajor", "devminor")


def make_tar(path, entries):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as out:
        for info, data in entries:
            out.addfile(info, io.BytesIO(data))


def run(*command):
    result = subprocess.run(command, capture_output=True, timeout=120)
    assert result.returncode == 0, (command, result.stderr)
    return result.stdout


def exported(image, store, *options):
    """Name -> (fields, time as it is written, xattrs, data) of the image, built, checked and exported."""
    run(BIN / "mkfs-erofs-ondemand", "-q", "--no-sync", "--verify", "--ref", "app", "-o", work / store, *options, image)
    run(BIN / "blobctl", "check", "--store", work / store, "app")
    data = run(BIN / "blobctl", "export", "--store", work / store, "app")
    out = {}
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as tar:
        for info in tar:
            content = tar.extractfile(info).read() if info.isreg() else b""
            out[info.name] = described(info, content)
    return out


def described(info, content):
    time = info.pax_headers.get("mtime", str(int(info.mtime)))
    xattrs = {key: value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    fields = {field: getattr(info, field) for field in FIELDS}
    if info.type == tarfile.LNKTYPE:
        fields = {"type": info.type, "linkname": info.linkname}
    return fields, time, xattrs, content


def extreme_entries():
    deep = "/".join(["d" * 255] * 15) + "/"
    entries = [
        entry(ANY[:120], b"1"), entry(ANY[120:254], b"2"), entry("n" * 255, b"3"),
        entry(deep + "f" * 255, b"4"),
        entry("target", type=tarfile.SYMTYPE, linkname="t" * 4095, mode=0o777),
        entry("bytes", type=tarfile.SYMTYPE, linkname=ANY, mode=0o777),
        entry("ids", b"5", uid=2**32 - 1, gid=2**32 - 1, mode=0o7777),
        entry("xattr", b"6", pax={"SCHILY.xattr.user.large": "v" * 65535, "SCHILY.xattr.user." + "n" * 250: "",
                                  "SCHILY.xattr.trusted.x": "line\nline=%25"}),
        entry("device", type=tarfile.CHRTYPE, devmajor=4095, devminor=2**20 - 1),
        entry("zero", type=tarfile.CHRTYPE), entry("block", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    ]
    for time in ("-9223372036854775808", "-9223372036854775807.5", "-1", "-0.000000001", "0", "4294967295.999999999",
                 "4294967296", "8589934592", "9223372036854775807.999999999"):
        entries.append(entry(f"time{time}", pax={"mtime": time}))
    return entries


def check_one_layer():
    entries = extreme_entries()
    make_tar(work / "one.tar", entries)
    for number, options in enumerate(([], ["--blobs", "image", "--chunk-size", "4K", "--frame-size", "4K"])):
        found = exported(work / "one.tar", f"one{number}", *options)
        for info, data in entries:
            want = described(info, data)
            assert found[info.name] == want, (info.name[:60], found[info.name][:2], want[:2])


def layout(layers):
    """An OCI layout of gzip layers."""
    path = work / "layout"
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content, media):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": "application/vnd.oci.image." + media, "digest": "sha256:" + digest, "size": len(content)}
    tars = []
    for entries in layers:
        make_tar(work / "layer.tar", entries)
        tars.append((work / "layer.tar").read_bytes())
    config = {"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]}}
    manifest = {"schemaVersion": 2, "config": put(json.dumps(config).encode(), "config.v1+json"),
                "layers": [put(gzip.compress(tar, mtime=0), "layer.v1.tar+gzip") for tar in tars]}
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (path / "index.json").write_text(json.dumps(index))
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return path


def link(name, target):
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def check_layers():
    lower = [entry("low", b"lower"), entry("sym", type=tarfile.SYMTYPE, linkname="nowhere", mode=0o777),
             entry("back", b"a file"), entry("dir", type=tarfile.DIRTYPE, mode=0o755), entry("dir/inner", b"gone")]
    middle = [link("early", "later"), entry("later", b"later"), link("again", "early"), link("to-low", "low"),
              link("to-sym", "sym"), entry("back", type=tarfile.DIRTYPE, mode=0o700), entry("back/child", b"child"),
              entry("dir", b"a file now"), entry("twice", b"first"), entry("twice", b"second")]
    upper = [entry("back", b"a file again"), entry("dir", type=tarfile.DIRTYPE, mode=0o755), entry("dir/new", b"new"),
             entry("low", b"replaced"), link("chain", "to-low")]
    for number, options in enumerate(([], ["--blobs", "image"])):
        if number == 0:
            image = layout([lower, middle, upper])
        found = exported(image, f"layers{number}", "--platform", "linux/amd64", *options)

        def content(name):
            fields, _, _, data = found[name]
            return content(fields["linkname"]) if fields["type"] == tarfile.LNKTYPE else data
        assert {name: content(name) for name in found if content(name)} == {
            "early": b"later", "later": b"later", "again": b"later", "to-low": b"lower", "chain": b"lower",
            "low": b"replaced", "back": b"a file again", "dir/new": b"new", "twice": b"second"}, sorted(found)
        assert "back/child" not in found and "dir/inner" not in found
        links = [found[name][0] for name in ("sym", "to-sym")]
        assert sorted(fields["type"] for fields in links) == [tarfile.LNKTYPE, tarfile.SYMTYPE], links


try:
    check_one_layer()
    check_layers()
finally:
    shutil.rmtree(work)
