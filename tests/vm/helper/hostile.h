// SPDX-License-Identifier: Apache-2.0
//
// A daemon that writes nonsense to the kernel: spoiled commands, ioctl numbers, lengths, offsets
// and addresses.
#pragma once

#include <cstdint>
#include <filesystem>

#include "answerer.h"

namespace ondemand::vmtest {

// In each round: nonsense before a cache is bound, after it, and, from two threads, while somebody
// mounts and reads an image.  Then the daemon mends its ways or goes away; the reader must end,
// with the right data or an error, and a new daemon must find a kernel that works.
// Works in `directory`, on a file system with user attributes.  Throws what went wrong; does not
// return (exit 1) if a round hangs.  Prints the seed and what was done.
void be_hostile(Protocol protocol, const std::filesystem::path& directory, std::uint32_t seed,
                int rounds);

}  // namespace ondemand::vmtest
