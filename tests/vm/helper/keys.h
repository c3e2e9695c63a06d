// SPDX-License-Identifier: Apache-2.0
//
// Does the kernel look for random keys where lib/cache says?
#pragma once

#include <filesystem>

#include "answerer.h"

namespace ondemand::vmtest {

struct KeyCounts {
  int keys_of_each_kind = 0;  // of the four encodings, in one shared volume
  int volumes = 0;            // more keys, each in a volume of its own
};

// Lengths go up to what the kernel takes.  Works in `directory`, on a file system with user
// attributes.  Throws at the first key that the kernel does not find.  demand: the kernel names the
// file in its request.  on-demand: a complete file is there, so a kernel that finds it mounts
// without a request for data.
void check_keys(Protocol protocol, const std::filesystem::path& directory, KeyCounts counts);

}  // namespace ondemand::vmtest
