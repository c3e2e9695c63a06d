#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Memory within its bound, and nothing lost: a stream larger than the bound, 200,000 files in one
# directory, 60 layers, a file of 100 GiB that is a hole.  The whole of it is make bench-scale.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_test
require_tools python3
[ -x /usr/bin/time ] || skip "needs /usr/bin/time"
"$ONDEMAND_SOURCE/scripts/bench-scale" "$ONDEMAND_BIN" --gib 0.5 --random-gib 0.1 --no-times --output "$work/out"
