#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the tree is clean under shellcheck.
set -euo pipefail
command -v shellcheck >/dev/null || { echo "SKIP: shellcheck is not installed"; exit 77; }
cd "${ONDEMAND_SOURCE:?}"
mapfile -t scripts < <(grep -rlE '^#!/bin/(ba)?sh' scripts tests .ci/run)
shellcheck -x "${scripts[@]}"
