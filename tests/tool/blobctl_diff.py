#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""blobctl diff tells every changed path and attribute, and counts chunks, reading no more than it must."""
import json
import os
import pathlib
import shutil
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


try:
    main()
finally:
    shutil.rmtree(work, ignore_errors=True)
print("passed")
sys.exit(0)
