// SPDX-License-Identifier: Apache-2.0
#include "erofs/chunk_layout.h"

#include <algorithm>
#include <bit>

#include "format/erofs_ondisk.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using util::Error;
using util::ErrorCode;

// Data runs straight on from `last` into `next`, in the file and on the device.
bool continues(const chunk::Extent& last, const chunk::Extent& next) {
  return last.file_block + last.nblocks == next.file_block && last.device == next.device &&
         std::uint64_t{last.start.value} + last.nblocks == next.start.value;
}

void check_extent(const chunk::Extent& extent, std::uint64_t begin, std::uint64_t file_blocks) {
  const bool in_file = extent.nblocks != 0 && extent.file_block >= begin &&
                       extent.file_block < file_blocks &&
                       extent.nblocks <= file_blocks - extent.file_block;
  // The address of all ones means a hole, so no run may reach it.
  const bool on_device =
      extent.device.value != 0 &&
      std::uint64_t{extent.start.value} + extent.nblocks <= ondisk::kErofsNullAddr;
  if (!in_file || !on_device)
    throw Error(ErrorCode::kInternal,
                "extents: plan chunks: not ascending, or outside of the file");
}

}  // namespace

ChunkLayout plan_chunk_layout(const chunk::Extents& extents, std::uint64_t size_bytes) {
  const std::uint64_t file_blocks =
      util::div_round_up(size_bytes, std::uint64_t{chunk::kBlockSize});
  // A chunk may not reach over a place where a run or a hole ends, except the end of the file:
  // all such places must be multiples of the chunk size, so only their lowest set bits matter.
  std::uint64_t boundaries = 0;
  std::uint64_t position = 0;
  const chunk::Extent* last = nullptr;
  for (const chunk::Extent& extent : extents) {
    check_extent(extent, position, file_blocks);
    if (last == nullptr || !continues(*last, extent)) {
      boundaries |= extent.file_block;
      if (last != nullptr) boundaries |= position;
    }
    position = extent.file_block + extent.nblocks;
    last = &extent;
  }
  if (last != nullptr && position < file_blocks) boundaries |= position;

  const auto whole_file = static_cast<unsigned>(std::bit_width(file_blocks - 1));
  const unsigned widest =
      boundaries != 0 ? static_cast<unsigned>(std::countr_zero(boundaries)) : 64;
  ChunkLayout layout;
  layout.chunkbits =
      static_cast<std::uint8_t>(std::min({whole_file, widest, ondisk::kErofsMaxChunkBits}));
  layout.has_data = !extents.empty();
  layout.nentries = ((file_blocks - 1) >> layout.chunkbits) + 1;
  return layout;
}

ChunkLayout choose_chunk_layout(const chunk::Extents& extents, std::uint64_t size_bytes) {
  const ChunkLayout layout = plan_chunk_layout(extents, size_bytes);
  if (layout.nentries > kMaxChunkEntries)
    throw Error(
        ErrorCode::kTooLarge,
        util::concat("sparse file of ", size_bytes, " bytes: plan chunks: ", layout.nentries,
                     " entries needed, ", kMaxChunkEntries, " allowed", kFewerChunkEntries));
  return layout;
}

void for_each_chunk_entry(const chunk::Extents& extents, const ChunkLayout& layout,
                          const std::function<void(const ChunkEntry&)>& emit) {
  auto current = extents.begin();
  for (std::uint64_t i = 0; i < layout.nentries; ++i) {
    const std::uint64_t block = i << layout.chunkbits;
    while (current != extents.end() && current->file_block + current->nblocks <= block)
      ++current;
    ChunkEntry entry;
    if (current != extents.end() && current->file_block <= block) {
      entry.is_hole = false;
      entry.device = current->device;
      entry.start.value =
          current->start.value + static_cast<std::uint32_t>(block - current->file_block);
    }
    emit(entry);
  }
}

}  // namespace ondemand::erofs
