// SPDX-License-Identifier: Apache-2.0
#include "erofs/slot_allocator.h"

#include "util/align.h"
#include "util/error.h"

namespace ondemand::erofs {

void SlotAllocator::add_gap(std::uint64_t offset, std::uint64_t nslots) {
  if (nslots == 0) return;
  ASSERT(nslots < kSlotsPerBlock);
  gaps_[nslots].push_back(offset);
  ++ngaps_;
}

std::uint64_t SlotAllocator::allocate(std::uint64_t size, bool one_block) {
  const std::uint64_t nslots = util::div_round_up(size, kSlot);
  for (std::uint64_t gap = nslots; ngaps_ != 0 && gap < kSlotsPerBlock; ++gap) {
    if (gaps_[gap].empty()) continue;
    const std::uint64_t offset = gaps_[gap].back();
    gaps_[gap].pop_back();
    --ngaps_;
    add_gap(offset + nslots * kSlot, gap - nslots);
    return offset;
  }
  return allocate_at_end(size, one_block);
}

std::uint64_t SlotAllocator::allocate_at_end(std::uint64_t size, bool one_block) {
  const std::uint64_t in_block = cursor_ % chunk::kBlockSize;
  if (one_block && in_block + size > chunk::kBlockSize) {
    ASSERT(size <= chunk::kBlockSize);
    const std::uint64_t rest = chunk::kBlockSize - in_block;
    add_gap(cursor_, rest / kSlot);
    cursor_ = util::checked_add(cursor_, rest);
  }
  const std::uint64_t offset = cursor_;
  cursor_ = util::checked_add(cursor_, util::round_up(size, kSlot));
  return offset;
}

}  // namespace ondemand::erofs
