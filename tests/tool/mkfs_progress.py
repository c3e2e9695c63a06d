#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mkfs-erofs-ondemand draws its progress on a terminal, erases it before anything else is told, and is silent elsewhere.

The input is a pipe that stays open until the line has been seen, so no time is assumed.
"""
import fcntl
import hashlib
import io
import json
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import tarfile
import tempfile
import termios

BIN = pathlib.Path(os.environ["ONDEMAND_BIN"])
ERASE = b"\r\x1b[K"
work = pathlib.Path(tempfile.mkdtemp(prefix="erofs-ondemand-progress-", dir="/var/tmp"))


def archive():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("etc/first", "etc/second"):
            entry = tarfile.TarInfo(name)
            entry.size = 100_000
            tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return out.getvalue()


def docker_archive(layer):
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{"Config": name + ".json", "RepoTags": ["app:1"], "Layers": ["a" * 64 + "/layer.tar"]}])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in ((name + ".json", config), ("a" * 64 + "/layer.tar", layer),
                              ("manifest.json", manifest.encode())):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def command(store, *options):
    return [BIN / "mkfs-erofs-ondemand", "-o", work / store, *options, "-"]


def read_until(fd, seen, wanted):
    """More of what comes from the terminal, until `wanted` is found or the other end is closed."""
    while wanted is None or not re.search(wanted, seen):
        assert select.select([fd], [], [], 60)[0], seen
        try:
            piece = os.read(fd, 65536)
        except OSError:  # EIO: the last one that had the terminal open is gone
            piece = b""
        if not piece:
            assert wanted is None, seen
            break
        seen += piece
    return seen


def on_terminal(store, data, wanted, *options, rest=b"", term="xterm", columns=80):
    """What the terminal got, the exit status and the summary; `rest` follows when `wanted` was seen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command(store, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs,
                               env=dict(os.environ, TERM=term))
    os.close(theirs)
    process.stdin.write(data)
    process.stdin.flush()
    seen = read_until(ours, b"", wanted) if wanted else b""
    process.stdin.write(rest)
    process.stdin.close()
    seen = read_until(ours, seen, None)
    summary = process.stdout.read()
    os.close(ours)
    return seen, process.wait(), summary


def main():
    data = archive()
    half = len(data) // 2 & ~511

    # The line is there while the input waits, and gone before the summary.
    seen, status, summary = on_terminal("store", data[:half], rb"1[0-9.]+ kB, [12] files?", rest=data[half:])
    assert status == 0 and summary, (status, seen)
    assert seen.startswith(ERASE) and seen.endswith(ERASE) and b"\n" not in seen, seen

    # An archive from a pipe is kept before anything is built: that is told too.
    docker = docker_archive(data)
    cut = len(docker) * 2 // 3 & ~511
    seen, status, summary = on_terminal("store", docker[:cut], rb"1[0-9.]+ kB, 0 files", rest=docker[cut:])
    assert status == 0 and summary and seen.endswith(ERASE), (status, seen)

    # An error comes on a line of its own.
    seen, status, _ = on_terminal("store", data[:half], rb"1[0-9.]+ kB, [12] files?")
    assert status == 1, seen
    last = seen.split(ERASE)[-1]
    assert last.startswith(b"mkfs-erofs-ondemand: ") and last.count(b"\n") == 1, seen

    # No line is longer than the terminal is wide.
    seen, status, _ = on_terminal("store", data[:half], rb"1[0-9.]+ kB", rest=data[half:], columns=12)
    assert status == 0 and all(len(line) < 12 for line in seen.split(ERASE)), seen

    # Silent: by option, on a terminal that cannot erase, and in a pipe.
    assert on_terminal("store", data, None, "-q") == (b"", 0, b"")
    seen, status, summary = on_terminal("store", data, None, term="dumb")
    assert (seen, status) == (b"", 0) and summary, seen
    result = subprocess.run(command("store"), input=data, capture_output=True, check=True, timeout=60)
    assert result.stderr == b"", result.stderr


try:
    main()
finally:
    shutil.rmtree(work)
