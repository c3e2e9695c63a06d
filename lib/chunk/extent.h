// SPDX-License-Identifier: Apache-2.0
//
// Where a file's data lies: runs of whole blocks on the data blobs ("kernel view").
#pragma once

#include <cstdint>
#include <vector>

#include "util/units.h"

namespace ondemand::chunk {

// Unit of addresses and of padding in every blob and bootstrap that we write.
// It is the page size, which mounts over fscache demand.  Source: doc/KERNEL.md 2.6.
inline constexpr std::uint32_t kBlockSize = 4096;
inline constexpr unsigned kBlockBits = 12;

// `nblocks` blocks of a file, from file block `file_block` on, lie at `start` of `device`.
struct Extent {
  std::uint64_t file_block = 0;
  std::uint32_t nblocks = 0;
  util::BlockAddr start;
  util::DeviceId device;  // >= 1: data blobs, in device-table order
  auto operator<=>(const Extent&) const = default;
};

// The data of one file: ascending, not overlapping, contiguous neighbours merged where device and
// address continue.  What no extent covers is a hole.  A last partial block is zero-padded.
using Extents = std::vector<Extent>;

// Appends, merging with the last extent where both file and device position continue.
void append_extent(Extents& extents, const Extent& extent);

}  // namespace ondemand::chunk
