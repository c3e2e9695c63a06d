#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mkfs-erofs-ondemand --verify: when the disk loses a byte of what was written, the store stays as it was.

The input is a pipe: the blob's temporary file is damaged when its first frames are there, and only then does the rest of
the input follow, so no time is assumed.
"""
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

BIN = pathlib.Path(os.environ["ONDEMAND_BIN"])
MIB = 1 << 20
work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-verify-", dir="/var/tmp"))


def tree_of(store):
    return {path.relative_to(store): path.read_bytes() if path.is_file() else None for path in store.rglob("*")}


def archive(size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("usr/data")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    return out.getvalue()


def staged(store):
    """The temporary files that hold something: of a name that may go at any time."""
    for path in (store / ".tmp").rglob("*"):
        if path.is_file() and path.stat().st_size > 2 * 4096:
            return path
    return None


def build(store, data, damage, *options):
    command = [BIN / "mkfs-erofs-ondemand", "-q", "--ref", "app", "-o", store, *options, "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    for at in range(0, len(data), MIB):
        path = staged(store) if damage else None
        if path:
            with open(path, "r+b") as file:
                file.seek(4096)
                byte = file.read(1)[0]
                file.seek(4096)
                file.write(bytes([byte ^ 1]))
            damage = False
        process.stdin.write(data[at:at + MIB])
        process.stdin.flush()
    process.stdin.close()
    assert not damage, "no frame was written before the whole input was read"
    message = process.stderr.read().decode()
    return process.wait(), message


def main():
    store = work / "store"
    assert build(store, archive(MIB), False) == (0, "")
    before = tree_of(store)
    data = archive(64 * MIB)
    for options in (["--compression", "none"], []):
        status, message = build(store, data, True, "--verify", *options)
        assert status == 1 and "verify" in message and message.count("\n") == 1, (status, message)
        assert message.startswith("mkfs-erofs-ondemand: "), message
        assert tree_of(store) == before, set(tree_of(store)) ^ set(before)
    # The same input is all right where nothing is lost.
    assert build(store, data, False, "--verify") == (0, "")
    assert tree_of(store) != before


try:
    main()
finally:
    shutil.rmtree(work)
