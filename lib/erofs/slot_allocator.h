// SPDX-License-Identifier: Apache-2.0
//
// Gives out 32-byte slots of an image, filling the gaps that block-bound requests leave.
// Constant time for each request.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "chunk/extent.h"
#include "format/erofs_ondisk.h"

namespace ondemand::erofs {

class SlotAllocator {
 public:
  // Range: `begin` is a multiple of 32.  Unit: bytes.
  explicit SlotAllocator(std::uint64_t begin) : cursor_(begin) {}

  // `one_block`: the bytes must lie inside one block (then size <= block).
  std::uint64_t allocate(std::uint64_t size, bool one_block);
  // At the end of what was given out so far, in no gap.
  std::uint64_t allocate_at_end(std::uint64_t size, bool one_block);
  std::uint64_t end() const { return cursor_; }

 private:
  static constexpr std::uint64_t kSlot = ondisk::kErofsSlotSize;
  static constexpr std::size_t kSlotsPerBlock = chunk::kBlockSize / kSlot;
  void add_gap(std::uint64_t offset, std::uint64_t nslots);

  std::uint64_t cursor_;
  // Gaps by their number of slots; inside one block each.
  std::array<std::vector<std::uint64_t>, kSlotsPerBlock> gaps_;
  std::uint64_t ngaps_ = 0;
};

}  // namespace ondemand::erofs
