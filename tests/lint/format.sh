#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every source file is as clang-format leaves it.
set -euo pipefail
command -v clang-format >/dev/null || { echo "SKIP: clang-format is not installed"; exit 77; }
cd "${ONDEMAND_SOURCE:?}"
find lib tools tests -name '*.h' -o -name '*.cpp' | sort | xargs clang-format --dry-run --Werror
