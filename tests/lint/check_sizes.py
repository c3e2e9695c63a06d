#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check budgets (header <= 150 lines, source <= 400, function <= 100) and the SPDX line of sources.

A function is found by the layout that clang-format gives: a line with a parameter list that ends in
"{", up to the "}" of the same indentation.
"""
import pathlib
import re
import sys

LIMITS = {".h": 150, ".cpp": 400}
# One table for the whole on-disk form is easier to check than a smaller file would be.
EXEMPT = {"lib/format/erofs_ondisk.h"}
FUNCTION_LIMIT = 100
FUNCTION = re.compile(r"( *)(?!(?:if|for|while|switch|else|do|try|namespace|class|struct|enum|union|}) *\b)\S.*\).*\{$")


def long_functions(lines):
    for start, line in enumerate(lines):
        if not FUNCTION.match(line):
            continue
        # Parameters and constructor initialisers may stand on lines of their own, further right.
        first = start
        while first > 0 and (lines[first].lstrip().startswith(":") or lines[first - 1].endswith(",")):
            first -= 1
        indent = re.match(" *", lines[first])[0]
        for end in range(start + 1, len(lines)):
            if lines[end].startswith(indent + "}"):
                if end - start + 1 > FUNCTION_LIMIT:
                    yield start + 1, end - start + 1
                break


root = pathlib.Path(sys.argv[1])
bad = 0
for folder in ("lib", "tools"):
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in LIMITS:
            continue
        lines = path.read_text().splitlines()
        if len(lines) > LIMITS[path.suffix] and str(path.relative_to(root)) not in EXEMPT:
            print(f"{path.relative_to(root)}: {len(lines)} lines, {LIMITS[path.suffix]} allowed")
            bad = 1
        for number, length in long_functions(lines):
            print(f"{path.relative_to(root)}:{number}: function of {length} lines, {FUNCTION_LIMIT} allowed")
            bad = 1
for folder in ("lib", "tools", "tests", "scripts", "cmake"):
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in (".h", ".cpp", ".py", ".sh", ".cmake") and path.name != "CMakeLists.txt":
            continue
        head = path.read_text(errors="replace").splitlines()[:3]
        if not any("SPDX-License-Identifier:" in line for line in head):
            print(f"{path.relative_to(root)}: no SPDX line")
            bad = 1
sys.exit(bad)
