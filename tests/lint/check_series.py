#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Check what kernel-patches/README.md says of each series: how many patches, how many lines they
add and remove, and how many of those below fs/.  Each patch of a folder is in its `series`, and
each test of the selftest that the table of proofs names is there."""
import collections
import pathlib
import re
import sys

HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def count(patch, sums):
    name, old, new = "", 0, 0
    for line in patch.read_text().split("\n"):
        if old or new:
            sums[line[:1], name.startswith("fs/")] += 1
            old -= line[:1] != "+"
            new -= line[:1] != "-"
        elif line.startswith("diff --git "):
            name = line.split(" b/")[1]
        elif hunk := HUNK.match(line):
            old, new = (int(n or 1) for n in hunk.groups())


folder = pathlib.Path(sys.argv[1]) / "kernel-patches"
readme = (folder / "README.md").read_text()
bad = []
for series in ("6.1", "6.12"):
    names = (folder / series / "series").read_text().split()
    files = {path.name for path in (folder / series).glob("*.patch")} - {"0000-cover-letter.patch"}
    if set(names) != files:
        bad.append(f"{series}/series: differs from the folder: {sorted(set(names) ^ files)}")
    sums = collections.Counter()
    for name in names:
        count(folder / series / name, sums)
    added, removed = (sums[sign, True] for sign in "+-")
    row = (f"| {series} | {len(names)} | {added + sums['+', False]} | {removed + sums['-', False]} "
           f"| {added} and {removed} |")
    if row not in readme:
        bad.append(f"README.md: is not so: should say '{row}'")
    selftest = (folder / series / names[-1]).read_text()
    proofs = readme.split("| patch | what | proof |")[1].split("\n\n")[0]
    known = set(re.findall(r'^\+\t\{ "(\w+)", test_', selftest, re.M))
    others = {path.stem for path in (folder.parent / "tests/vm/guest").glob("*.sh")}
    for row in proofs.splitlines()[2:]:
        for test in re.findall(r"`(\w+)\*?`", row.split("|")[3]):
            if test not in known | others and not any(name.startswith(test) for name in known):
                bad.append(f"README.md: proof: no test {test} in {series}")
print("\n".join(bad) or "kernel-patches/README.md: as the series are")
sys.exit(bool(bad))
