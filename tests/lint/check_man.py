#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the long options of each tool's --help with its man page, both ways.

usage: check_man.py SOURCE_DIR BIN_DIR
"""
import pathlib
import re
import subprocess
import sys

source, bin_dir = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def help_text(tool):
    run = subprocess.run([bin_dir / tool, "--help"], capture_output=True, text=True, timeout=30)
    if run.returncode != 0 or run.stderr:
        sys.exit(f"{tool} --help: status {run.returncode}, standard error {run.stderr!r}")
    text = run.stdout
    commands = re.findall(r"^  ([a-z][a-z-]*) ", text.partition("Subcommands:")[2], re.M)
    for command in commands:
        text += subprocess.run([bin_dir / tool, command, "--help"], capture_output=True, text=True,
                               timeout=30, check=True).stdout
    return text, commands


bad = 0
for page in ("mkfs-erofs-ondemand.1", "blobctl.1", "demandd.8"):
    tool = page.rsplit(".", 1)[0]
    text, commands = help_text(tool)
    man = (source / "man" / page).read_text().replace("\\-", "-")
    in_help, in_man = set(OPTION.findall(text)), set(OPTION.findall(man.partition(".SH SEE ALSO")[0]))
    foreign = {o for line in man.splitlines() if "\\\" not ours:" in line for o in OPTION.findall(line)}
    for option in sorted(in_help - in_man):
        print(f"man/{page}: {option} is in --help but not here")
        bad = 1
    for option in sorted(in_man - in_help - foreign):
        print(f"man/{page}: {option} is here but not in --help")
        bad = 1
    for command in commands:
        if not re.search(rf"\\fB{command}\\fP|^\.B[IR]? {command}\b|^\.SS {command}\b", man, re.M):
            print(f"man/{page}: command {command} is not described")
            bad = 1
sys.exit(bad)
