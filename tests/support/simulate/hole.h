// SPDX-License-Identifier: Apache-2.0
//
// What the kernel takes for data in a backing file.  Source: doc/KERNEL.md 1 and 2.3.
#pragma once

#include <cstdint>

namespace ondemand::simulate {

struct Probe {
  enum class Kind { kData, kHole, kError } kind = Kind::kError;
  std::uint64_t len = 0;  // of what begins at the offset, at most what was asked for
};

// Of a range that begins at a block and is not empty.
Probe probe_file(int fd, std::uint64_t offset, std::uint64_t len);

}  // namespace ondemand::simulate
