// SPDX-License-Identifier: Apache-2.0
//
// What the kernel makes of a cache that was prepared rightly or wrongly.
#pragma once

#include <filesystem>

#include "answerer.h"

namespace ondemand::vmtest {

// Mounts an image over each kind of prepared cache and prints a line for each:
//   <preparation>: <mount> <requests> <data> file=<fate>,<size> graveyard=<entries>
// Works in `directory`, on a file system with user attributes.
void print_matrix(Protocol protocol, const std::filesystem::path& directory);

}  // namespace ondemand::vmtest
