#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden digests: what the builder writes for small tars, made here byte by byte.

usage: golden.py            compare with digests.json (needs ONDEMAND_BIN)
       golden.py --update   record anew: a change of the written format, on purpose only; say why in
                            CHANGELOG.md and raise "version" in digests.json

Recorded are bootstrap, blobs and chunk indexes, uncompressed (libzstd's versions write other bytes), then the configuration
and the manifest with SOURCE_DATE_EPOCH set.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def header(name, type=b"0", size=0, mode=0o644, uid=0, gid=0, mtime=1700000000, link=b"", major=0, minor=0):
    def octal(value, width):
        return b"%0*o\0" % (width - 1, value)
    block = (name[:100].ljust(100, b"\0") + octal(mode, 8) + octal(uid, 8) + octal(gid, 8) + octal(size, 12)
             + octal(mtime, 12) + b" " * 8 + type + link[:100].ljust(100, b"\0") + b"ustar\00000"
             + bytes(64) + octal(major, 8) + octal(minor, 8)).ljust(512, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(data):
    return data + bytes(-len(data) % 512)


def pax(**records):
    body = b""
    for key, value in records.items():
        rest = key.replace("__", ".").encode() + b"=" + value + b"\n"
        size = len(rest) + 1
        while len(b"%d" % size) + 1 + len(rest) != size:
            size = len(b"%d" % size) + 1 + len(rest)
        body += b"%d " % size + rest
    return header(b"pax", b"x", len(body)) + padded(body)


def member(name, data=b"", **fields):
    return header(name, size=len(data), **fields) + padded(data)


def directory(name, **fields):
    return header(name, b"5", mode=fields.pop("mode", 0o755), **fields)


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def archives():
    """Name -> layers (tars without their end marks), lowest first."""
    files = (directory(b"./") + directory(b"etc/", mode=0o1777, uid=1, gid=2) + member(b"etc/passwd", b"root\n" * 9)
             + member(b"bin/tool", noise(1, 200_000), mode=0o4755) + header(b"bin/hard", b"1", link=b"bin/tool")
             + header(b"bin/soft", b"2", link=b"../etc/passwd") + member(b"empty") + member(b"\xff\n any \x80", b"x")
             + header(b"dev/null", b"3", major=1, minor=3) + header(b"dev/zero", b"3") + header(b"dev/sda", b"4", major=8)
             + header(b"run/fifo", b"6"))
    attributes = (
        pax(uid=b"4294967295", gid=b"2097152", mtime=b"-1.5", SCHILY__xattr__user__a=b"1") + member(b"old", b"1")
        + pax(mtime=b"4500000000.123456789", SCHILY__xattr__security__capability=b"\1\0\0\2\0\x20" + bytes(14))
        + member(b"new", b"2")
        + b"".join(pax(SCHILY__xattr__user__same=b"the same value for all", SCHILY__xattr__user__own=b"%d" % i)
                   + member(b"f%d" % i) for i in range(40))
        + pax(path=b"/".join([b"d" * 200] * 5) + b"/" + b"n" * 255) + member(b"long", b"3")
        + pax(linkpath=b"t" * 4000) + header(b"link", b"2")
        + pax(SCHILY__acl__access=b"user::rwx,user:1000:r--,group::r-x,mask::r-x,other::---") + member(b"acl", b"4"))
    sparse_map = b"2\n0\n4096\n1073741824\n5\n".ljust(512, b"\0")
    sparse_pax = pax(GNU__sparse__major=b"1", GNU__sparse__minor=b"0", GNU__sparse__name=b"sparse",
                     GNU__sparse__realsize=b"10737418240")
    chunks = noise(2, 3 * 65536)
    data = (member(b"a", chunks) + member(b"b", chunks[65536:] + b"tail") + member(b"zeros", bytes(300_000))
            + member(b"half", bytes(65536) + noise(3, 5000)) + sparse_pax
            + member(b"GNUSparseFile.0/sparse", sparse_map + noise(4, 4101)))
    many = b"".join(member(b"many/file-%05d" % i, b"%d" % i) for i in range(2000))
    lower = directory(b"d/") + member(b"d/gone", b"1") + member(b"d/kept", chunks) + member(b"o/hidden", b"2")
    upper = (member(b"d/.wh.gone") + member(b"o/.wh..wh..opq") + member(b"o/new", chunks[:65536])
             + header(b"d/link", b"1", link=b"d/kept") + pax(mtime=b"5") + directory(b"d/", uid=7))
    return {"files": [files], "attributes": [attributes], "data": [data], "many": [many], "empty": [b""],
            "layers": [lower, upper, b"", member(b"top", noise(5, 70_000))]}


def oci_layout(path, layers):
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content, media):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(content)}
    kind = "application/vnd.oci.image."
    tars = [put(layer + bytes(10240), kind + "layer.v1.tar") for layer in layers]
    config = {"architecture": "amd64", "os": "linux",
              "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in tars]}}
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                "config": put(json.dumps(config).encode(), kind + "config.v1+json"), "layers": tars}
    entry = put(json.dumps(manifest).encode(), kind + "manifest.v1+json")
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def digests_of(image, store, *options):
    tool = pathlib.Path(os.environ["ONDEMAND_BIN"]) / "mkfs-erofs-ondemand"
    subprocess.run([tool, "-q", "--no-sync", "--compression", "none", "--platform", "linux/amd64", "--ref", "x",
                    "-o", store, *options, image], check=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    index = json.loads((store / "index.json").read_text())
    manifest = store / "blobs" / "sha256" / index["manifests"][0]["digest"].split(":")[1]
    content = json.loads(manifest.read_text())
    found = [blob["digest"].split(":")[1] for blob in [*content["layers"], content["config"]]]
    return [*found, manifest.name]


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-golden-"))
    try:
        found = {}
        for name, layers in archives().items():
            image = work / name
            if len(layers) == 1:
                image.write_bytes(layers[0] + bytes(10240))
            else:
                oci_layout(image, layers)
            found[name] = digests_of(image, work / f"store-{name}")
            found[name + ", one blob, 4K chunks"] = digests_of(image, work / f"one-{name}", "--blobs", "image",
                                                               "--chunk-size", "4K", "--frame-size", "64K")
            if name == "data":
                found[name + ", zeros as data"] = digests_of(image, work / "zeros", "--zero-chunks", "data")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    recorded_file = HERE / "digests.json"
    if sys.argv[1:] == ["--update"]:
        version = json.loads(recorded_file.read_text())["version"] if recorded_file.exists() else 1
        recorded_file.write_text(json.dumps({"version": version, "digests": found}, indent=1) + "\n")
        return 0
    recorded = json.loads(recorded_file.read_text())["digests"]
    status = 0
    for name in sorted(set(recorded) | set(found)):
        if recorded.get(name) != found.get(name):
            print(f"{name}: recorded {recorded.get(name)}, written {found.get(name)}")
            status = 1
    if status:
        print("What is written has changed. If that is meant: tests/golden/golden.py --update, and say why.")
    return status


sys.exit(main())
