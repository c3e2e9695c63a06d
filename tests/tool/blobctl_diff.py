#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""blobctl diff tells every changed path and attribute, and counts chunks, reading no more than it must."""
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

BIN = pathlib.Path(os.environ["ONDEMAND_BIN"])
work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-diff-", dir="/var/tmp"))


def build(store, ref, *options):
    subprocess.run(["tar", "-cf", work / "root.tar", "--sort=name", "--xattrs", "-C", work / "root", "."], check=True)
    subprocess.run([BIN / "mkfs-erofs-ondemand", "-q", "--ref", ref, "-o", work / store, *options, work / "root.tar"],
                   check=True)


def diff(*args):
    result = subprocess.run([BIN / "blobctl", "diff", "--store", work / "store", "--json", *args],
                            capture_output=True, check=True, timeout=60)
    return json.loads(result.stdout)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def add_object(store, content):
    digest = hashlib.sha256(content).hexdigest()
    (store / "blobs" / "sha256" / digest).write_bytes(content)
    return {"digest": "sha256:" + digest, "size": len(content)}


def derive(store, ref, new_ref, change):
    """An image as a tool without deduplication makes it: `change` alters the chunk indexes in a bootstrap of `ref`."""
    def read(digest):
        return (store / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

    index = json.loads((store / "index.json").read_text())
    name = "org.opencontainers.image.ref.name"
    entry = next(e for e in index["manifests"] if e.get("annotations", {}).get(name) == ref)
    manifest = json.loads(read(entry["digest"]))
    config = json.loads(read(manifest["config"]["digest"]))
    magic = struct.pack("<I", 0xE0F5E1E2)
    at = next(i for i, l in enumerate(manifest["layers"]) if read(l["digest"])[1024:1028] == magic)
    old = manifest["layers"][at]["digest"]
    bootstrap = bytearray(read(old))
    change(bootstrap)
    block = 1 << bootstrap[1024 + 12]
    bootstrap[1028:1032] = bytes(4)
    bootstrap[1028:1032] = struct.pack("<I", crc32c(bootstrap[1024:max(block, 2048)]))
    manifest["layers"][at].update(add_object(store, bootstrap))
    config["rootfs"]["diff_ids"] = [manifest["layers"][at]["digest"] if d == old else d
                                    for d in config["rootfs"]["diff_ids"]]
    manifest["config"].update(add_object(store, json.dumps(config).encode()))
    entry = json.loads(json.dumps(entry))
    entry.update(add_object(store, json.dumps(manifest).encode()))
    entry["annotations"][name] = new_ref
    index["manifests"].append(entry)
    (store / "index.json").write_text(json.dumps(index))


def chunk_index(block):
    return struct.pack("<HHI", 0, 1, block)


def test_equal_bytes_in_two_places():
    """Two pairs of equal files: of each the first lies elsewhere in the other image, or is a hole there."""
    shutil.rmtree(work / "root")
    root = work / "root"
    root.mkdir()
    content, front, twin = os.urandom(65_536), os.urandom(4096), os.urandom(4096)
    (root / "a0").write_bytes(os.urandom(301 * 4096))  # so that no place looks like something else
    middle = front + content + bytes(4096)
    (root / "a1").write_bytes(content)
    (root / "a2").write_bytes(content)
    (root / "middle").write_bytes(middle + os.urandom(128 * 1024 - len(middle)))
    (root / "z1").write_bytes(twin)
    (root / "z2").write_bytes(twin)
    build("store", "places", "--compression", "none")
    blob = next(f.read_bytes() for f in (work / "store/blobs/sha256").iterdir() if front + content[:60] in f.read_bytes())
    places = [at // 4096 for at in range(0, len(blob), 4096) if blob[at:at + 65_536] == content]
    zeros = next(at // 4096 for at in range(0, len(blob), 4096) if blob[at:at + 4096] == bytes(4096))
    twin_place = blob.index(twin) // 4096
    assert len(places) == 2, places

    def redirect(bootstrap, old, *new):
        assert bootstrap.count(old) == 2
        for entry in new:
            at = bootstrap.index(old)
            bootstrap[at:at + 8] = entry

    # Both images have a file at the first place: that is not read for being there.
    first = next(place for place in places if chunk_index(place) in stored_bootstrap("places"))
    second = next(place for place in places if place != first)
    derive(work / "store", "places", "with-zeros",
           lambda image: redirect(image, chunk_index(twin_place), chunk_index(zeros), chunk_index(zeros)))
    derive(work / "store", "with-zeros", "elsewhere",
           lambda image: (redirect(image, chunk_index(first), chunk_index(second)),
                          redirect(image, chunk_index(zeros), struct.pack("<HHI", 0, 0, 0xFFFFFFFF))))
    for a, b in (("with-zeros", "elsewhere"), ("elsewhere", "with-zeros")):
        report = diff(a, b)
        assert report["paths"] == [], report
        assert report["chunks"]["only_a"]["chunks"] == report["chunks"]["only_b"]["chunks"] == 0, report
        # The chunk in its two places, and the zeros.
        assert report["bytes_read"] == 2 * 65_536 + 4096, report
    report = diff("places", "elsewhere")
    assert [(p["path"], p["attributes"]) for p in report["paths"]] == [("/z1", ["content"]), ("/z2", ["content"])], report


def test_hard_link_groups():
    """As many names with the same content, but other ones are one file."""
    for ref, pairs in (("pairs", ("ab", "cd", "ef")), ("crossed", ("ac", "bd", "ef"))):
        shutil.rmtree(work / "root")
        (work / "root").mkdir()
        for first, second in pairs:
            (work / "root" / first).write_text("content")
            os.utime(work / "root" / first, (1, 1))
            os.link(work / "root" / first, work / "root" / second)
        os.utime(work / "root", (1, 1))
        build("store", ref)
    report = diff("pairs", "crossed")
    assert [(p["path"], p["attributes"]) for p in report["paths"]] == [(f"/{n}", ["links"]) for n in "abcd"], report
    text = subprocess.run([BIN / "blobctl", "diff", "--store", work / "store", "pairs", "crossed"], capture_output=True,
                          check=True).stdout.decode()
    assert text.startswith("~ /a: links\n~ /b: links\n"), text
    assert diff("pairs", "pairs")["paths"] == []


def stored_bootstrap(ref):
    found = []
    derive(work / "store", ref, ref + "-same", lambda image: found.append(bytes(image)))
    return found[0]


def main():
    root = work / "root"
    (root / "sub").mkdir(parents=True)
    data = {name: os.urandom(200_000) for name in ("same", "changed", "gone", "moved")}
    for name, content in data.items():
        (root / name).write_bytes(content)
    (root / "sub" / "inner").write_text("x")
    (root / "kind").write_text("a file")
    os.symlink("a", root / "link")
    for path in (root, root / "sub"):
        os.utime(path, (1, 1))
    build("store", "a")

    # Nothing differs: nothing is read.
    build("store", "a2")
    report = diff("a", "a2")
    assert report["paths"] == [] and report["bytes_read"] == 0, report
    assert report["chunks"]["only_a"]["chunks"] == report["chunks"]["only_b"]["chunks"] == 0, report
    assert report["same"] == 9, report

    content = bytearray(data["changed"])
    content[100_000] ^= 1
    (root / "changed").write_bytes(content)
    os.utime(root / "changed", ns=(0, os.stat(root / "same").st_mtime_ns))
    (root / "gone").unlink()
    os.rename(root / "moved", root / "sub" / "moved")
    os.chmod(root / "same", 0o600)
    (root / "kind").unlink()
    (root / "kind").mkdir()
    (root / "kind" / "child").write_text("new")
    (root / "link").unlink()
    os.symlink("b", root / "link", )
    os.link(root / "same", root / "again")
    for path in (root, root / "sub"):
        os.utime(path, (1, 1))
    build("store", "b")
    report = diff("a", "b")
    found = {(p["change"], p["path"]): p.get("attributes") for p in report["paths"]}
    expected = {("changed", "/changed"), ("removed", "/gone"), ("removed", "/moved"), ("added", "/sub/moved"),
                ("changed", "/same"), ("changed", "/kind"), ("added", "/kind/child"), ("changed", "/link"),
                ("added", "/again")}
    assert set(found) == expected, found
    assert set(found["changed", "/changed"]) - {"mtime"} == {"content"}, found
    assert set(found["changed", "/same"]) == {"mode", "links"}, found
    assert "type" in found["changed", "/kind"] and "target" in found["changed", "/link"], found
    chunks = report["chunks"]
    # Of four files in four chunks each: one chunk changed, one file gone (and three tiny files).
    assert chunks["shared"]["bytes"] == 3 * 200_000 - 65_536 + 1, chunks
    assert chunks["only_a"]["bytes"] == 200_000 + 65_536 + len("a file"), chunks
    assert chunks["only_b"]["bytes"] == 65_536 + len("new"), chunks
    assert (report["added"], report["removed"], report["changed"]) == (3, 2, 4), report

    # The same files by other chunks, frames and compression, in another store: content is the same.
    build("other", "b", "--chunk-size", "16K", "--frame-size", "128K", "--compression", "none")
    report = diff("b", "b", "--other-store", work / "other")
    assert report["paths"] == [], report
    assert report["chunks"]["only_a"]["chunks"] == report["chunks"]["only_b"]["chunks"] == 0, report
    assert report["bytes_read"] > 0, report

    text = subprocess.run([BIN / "blobctl", "diff", "--store", work / "store", "a", "b"], capture_output=True,
                          check=True).stdout.decode()
    assert "+ /kind/child\n" in text and "- /gone\n" in text and "paths: 3 added, 2 removed, 4 changed" in text, text
    missing = subprocess.run([BIN / "blobctl", "diff", "--store", work / "store", "a", "none"], capture_output=True)
    assert missing.returncode == 1 and missing.stderr.count(b"\n") == 1, missing

    test_equal_bytes_in_two_places()
    test_hard_link_groups()


try:
    main()
finally:
    shutil.rmtree(work, ignore_errors=True)
print("passed")
sys.exit(0)
