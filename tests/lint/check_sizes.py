#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check file budgets (header <= 150 lines, source <= 400) and the SPDX line of every source file.

Functions are held to their budget by clang-tidy (readability-function-size in .clang-tidy).
"""
import pathlib
import sys

LIMITS = {".h": 150, ".cpp": 400}
# One table for the whole on-disk form is easier to check than a smaller file would be.
EXEMPT = {"lib/format/erofs_ondisk.h"}
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
for folder in ("lib", "tools", "tests", "scripts", "cmake"):
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in (".h", ".cpp", ".py", ".sh", ".cmake") and path.name != "CMakeLists.txt":
            continue
        head = path.read_text(errors="replace").splitlines()[:3]
        if not any("SPDX-License-Identifier:" in line for line in head):
            print(f"{path.relative_to(root)}: no SPDX line")
            bad = 1
sys.exit(bad)
