#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Structures that mirror bytes (lib/format) hold endian types, bytes and byte arrays only.

A plain multi-byte integer as a member would be read in the host's byte order and alignment.
Constants (constexpr) may be plain.
"""
import pathlib
import re
import sys

PLAIN = re.compile(r"^\s+(?:std::)?(?:u?int(?:16|32|64)_t|int|long|short|size_t|unsigned\b[^:]*)\s+\w+\s*(?:=[^;]*)?;")
bad = 0
for path in sorted((pathlib.Path(sys.argv[1]) / "lib" / "format").glob("*.h")):
    in_struct = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if re.match(r"\s*struct \w+ \{", line):
            in_struct = True
        elif re.match(r"\s*\};", line):
            in_struct = False
        elif in_struct and "constexpr" not in line and PLAIN.match(line):
            print(f"{path}:{number}: plain integer in a structure of bytes: {line.strip()}")
            bad = 1
sys.exit(bad)
