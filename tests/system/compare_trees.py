#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare two directory trees entry by entry; print each difference; exit 1 when there is one.

usage: compare_trees.py [--no-content] [--ignore-mtime PATH]... EXPECTED ACTUAL

Compared: names, type, mode, uid, gid, mtime in nanoseconds, number of links and which names share
an inode, device numbers, symlink targets, extended attributes, size, content.
Uses nothing of the project, so that it is a witness of its own.
"""
import argparse
import os
import stat
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--no-content", action="store_true")
parser.add_argument("--ignore-mtime", action="append", default=[], metavar="PATH",
                    help="relative to the root; '.' is the root itself")
parser.add_argument("expected")
parser.add_argument("actual")
args = parser.parse_args()
expected_root, actual_root = os.fsencode(args.expected), os.fsencode(args.actual)
ignore_mtime = {os.fsencode(path) for path in args.ignore_mtime}
differences = 0
entries = 0
data_bytes = 0


def differ(path, what, expected, actual):
    global differences
    differences += 1
    if differences <= 50:
        print(f"{os.fsdecode(path)!r}: {what}: expected {expected!r}, is {actual!r}")


def xattrs(path):
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in sorted(names)}


def same_content(path, a, b):
    global data_bytes
    with open(a, "rb") as fa, open(b, "rb") as fb:
        offset = 0
        while True:
            ca, cb = fa.read(1 << 20), fb.read(1 << 20)
            data_bytes += len(ca)
            if ca != cb:
                at = next((i for i, (x, y) in enumerate(zip(ca, cb)) if x != y), min(len(ca), len(cb)))
                differ(path, f"content at {offset + at:#x}", ca[at:at + 8], cb[at:at + 8])
                return
            if not ca:
                return
            offset += len(ca)


links_expected, links_actual = {}, {}


def compare(path):
    global entries
    entries += 1
    a, b = os.path.join(expected_root, path), os.path.join(actual_root, path)
    sa, sb = os.lstat(a), os.lstat(b)
    if stat.S_IFMT(sa.st_mode) != stat.S_IFMT(sb.st_mode):
        differ(path, "type", oct(sa.st_mode), oct(sb.st_mode))
        return
    for field in ("st_mode", "st_uid", "st_gid", "st_nlink"):
        if getattr(sa, field) != getattr(sb, field):
            differ(path, field, getattr(sa, field), getattr(sb, field))
    if (path or b".") not in ignore_mtime and sa.st_mtime_ns != sb.st_mtime_ns:
        differ(path, "mtime", sa.st_mtime_ns, sb.st_mtime_ns)
    if stat.S_ISCHR(sa.st_mode) or stat.S_ISBLK(sa.st_mode):
        if sa.st_rdev != sb.st_rdev:
            differ(path, "rdev", sa.st_rdev, sb.st_rdev)
    xa, xb = xattrs(a), xattrs(b)
    if xa != xb:
        differ(path, "xattrs", xa, xb)
    if stat.S_ISLNK(sa.st_mode):
        if os.readlink(a) != os.readlink(b):
            differ(path, "target", os.readlink(a), os.readlink(b))
    elif stat.S_ISDIR(sa.st_mode):
        na, nb = set(os.listdir(a)), set(os.listdir(b))
        for name in sorted(na - nb):
            differ(os.path.join(path, name), "name", "there", "missing")
        for name in sorted(nb - na):
            differ(os.path.join(path, name), "name", "missing", "there")
        for name in sorted(na & nb):
            compare(os.path.join(path, name))
    else:
        if sa.st_nlink > 1:
            first_a = links_expected.setdefault((sa.st_dev, sa.st_ino), path)
            first_b = links_actual.setdefault((sb.st_dev, sb.st_ino), path)
            if first_a != first_b:
                differ(path, "hard link", first_a, first_b)
        if stat.S_ISREG(sa.st_mode):
            if sa.st_size != sb.st_size:
                differ(path, "size", sa.st_size, sb.st_size)
            elif not args.no_content:
                same_content(path, a, b)


sys.setrecursionlimit(10000)
compare(b"")
print(f"{entries} entries, {data_bytes} bytes of content, {differences} differences")
sys.exit(1 if differences else 0)
