#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mkfs-erofs-ondemand --zero-chunks: the same files, with holes or with chunks of zeros; and blobctl mount, which lets an
image with data behind a hole over fscache on kernels of our series only.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

BIN = pathlib.Path(os.environ["ONDEMAND_BIN"])
KIB = 1 << 10
CHUNK = 64 * KIB
work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-zero-", dir="/var/tmp"))


def run(tool, *args, status=0):
    result = subprocess.run([BIN / tool, *map(str, args)], capture_output=True, text=True)
    assert result.returncode == status, (tool, args, result)
    assert status == 0 or result.stderr.count("\n") == 1, result.stderr
    return result.stdout if status == 0 else result.stderr


def build(store, ref, *options):
    return json.loads(run("mkfs-erofs-ondemand", "--json", "--no-sync", "--verify", "--ref", ref, "-o", store, *options,
                          work / "root.tar"))


def make_tree(tree):
    tree.mkdir()
    data = os.urandom(CHUNK)
    (tree / "behind").write_bytes(data + bytes(CHUNK) + os.urandom(8 * CHUNK))
    (tree / "tail").write_bytes(data + bytes(3 * CHUNK))
    (tree / "short").write_bytes(bytes(100))
    (tree / "zeros").write_bytes(bytes(5 * CHUNK + 7))
    (tree / "empty").write_bytes(b"")
    with open(tree / "sparse", "wb") as file:
        for at in (3 * CHUNK + 4096, 9 * CHUNK):
            file.seek(at)
            file.write(b"data")
        file.truncate(64 * 16 * CHUNK + 9)


def holes(store, image, path):
    """Extents of a file that are holes, as blobctl inspect tells them."""
    bootstrap = work / "bootstrap"
    stored = store / "blobs" / "sha256" / image["bootstrap"]["digest"].removeprefix("sha256:")
    bootstrap.write_bytes(stored.read_bytes())
    text = run("blobctl", "inspect", "--path", path, bootstrap)
    return len(re.findall(r"\bhole\b", text))


def check_forms(tree, store):
    archive = work / "root.tar"
    subprocess.run(["tar", "--sparse", "-C", tree, "-cf", archive, "."], check=True)
    raw = ("--compression", "none")
    hole = build(store, "hole", *raw)
    data = build(store, "data", *raw, "--zero-chunks", "data")
    assert build(store, "explicit", *raw, "--zero-chunks", "hole")["manifest"] == hole["manifest"]
    for name in ("behind", "tail", "sparse", "zeros"):
        assert holes(store, hole, "/" + name) > 0, name
        assert holes(store, data, "/" + name) == 0, name
    assert hole["bytes"]["holes"] > 0 and data["bytes"]["holes"] == 0, data
    assert data["bytes"]["unique"] + data["bytes"]["shared"] == data["bytes"]["input"], data
    # One chunk of zeros, and one for each length of those at the end of a file.
    assert data["bytes"]["unique"] < hole["bytes"]["unique"] + 2 * CHUNK, (hole, data)

    for jobs in (1, 5):
        again = build(work / f"again{jobs}", "data", *raw, "--zero-chunks", "data", "--jobs", jobs)
        assert again["manifest"] == data["manifest"]
    run("blobctl", "diff", "--store", store, "hole", "data")
    run("blobctl", "check", "--store", store, "data")
    build(store, "one", "--zero-chunks", "data", "--blobs", "image")
    build(store, "dictionary", "--zero-chunks", "data", "--chunk-dict", "hole")
    again = build(store, "again", "--zero-chunks", "data", "--chunk-dict", "data")
    assert again["chunks"]["unique"] == 0, again
    for ref in ("data", "one", "dictionary", "again"):
        out = work / ("out-" + ref)
        out.mkdir()
        export = work / "export.tar"
        run("blobctl", "export", "--store", store, ref, "--output", export)
        subprocess.run(["tar", "-C", out, "-xf", export], check=True)
        subprocess.run(["diff", "-r", tree, out], check=True)
        shutil.rmtree(out)
        export.unlink()


def check_mount(store):
    if os.geteuid() != 0 or os.path.exists("/dev/cachefiles_demand"):
        return
    (work / "mnt").mkdir()
    for ref, is_refused in (("hole", True), ("data", False)):
        cache = work / ("cache-" + ref)
        run("blobctl", "prepare", "--store", store, "--cache", cache, "--for", "cachefiles", ref)
        message = run("blobctl", "mount", "--cache", cache, "--transport", "cachefiles", ref, work / "mnt", status=1)
        if is_refused:
            assert re.search(r"/(behind|sparse) has data behind a hole", message), message
            for remedy in ("--zero-chunks data", "fanotify", "make kernel"):
                assert remedy in message, message
        else:
            assert "no demandd serves this cache" in message, message


def check_bounds():
    tree = work / "huge"
    tree.mkdir()
    with open(tree / "sparse", "wb") as file:
        file.truncate(2 << 40)
    subprocess.run(["tar", "--sparse", "-C", tree, "-cf", work / "root.tar", "."], check=True)
    build(work / "bounds", "hole")
    store = work / "bounds"
    message = run("mkfs-erofs-ondemand", "--ref", "data", "-o", store, "--zero-chunks", "data", work / "root.tar", status=1)
    assert "sparse: " in message and "chunk entries in a file" in message and "--zero-chunks hole" in message, message
    assert "data" not in (store / "index.json").read_text()
    run("mkfs-erofs-ondemand", "--zero-chunks", "holes", "-o", store, work / "root.tar", status=2)


def main():
    tree, store = work / "tree", work / "store"
    make_tree(tree)
    check_forms(tree, store)
    check_mount(store)
    check_bounds()


try:
    main()
finally:
    shutil.rmtree(work)
