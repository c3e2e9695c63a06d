// SPDX-License-Identifier: Apache-2.0
//
// How the extents of a file become the chunk entries of a chunk-based inode: the largest chunk
// size at which every chunk is wholly one contiguous run on one device or wholly a hole.  Few
// entries make a small bootstrap and large requests of the kernel.  Pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "chunk/extent.h"

namespace ondemand::erofs {

// Ours: a small archive must not make a bootstrap of any size.  128 MiB of entries hold every file
// without holes, and sparse ones of 64 GiB with data at any block.
inline constexpr std::uint64_t kMaxChunkEntries = std::uint64_t{1} << 24;
// Of all files together: 1 GiB of entries.  512 GiB of blocks of 4 KiB of which no two follow each
// other need so many; files without holes take few.
inline constexpr std::uint64_t kMaxChunkEntriesOfImage = std::uint64_t{1} << 27;

// What a user can do about too many entries: part of the messages.
inline constexpr std::string_view kFewerChunkEntries =
    "; a larger --chunk-size needs fewer, --lossy drops the file";

struct ChunkLayout {
  std::uint8_t chunkbits = 0;  // chunk size = block << chunkbits.  Range: 0..31
  bool has_data = false;       // false: all hole, 4-byte entries do; true: 8-byte indexes
  std::uint64_t nentries = 0;
  unsigned entry_size() const { return has_data ? 8 : 4; }  // Unit: bytes
};

// However many entries there are.  Range: `size_bytes` > 0; extents ascending, not overlapping,
// inside the file, addresses inside 32 bits (kInternal otherwise: whoever made them is wrong).
ChunkLayout plan_chunk_layout(const chunk::Extents& extents, std::uint64_t size_bytes);
// Throws kTooLarge above kMaxChunkEntries.
ChunkLayout choose_chunk_layout(const chunk::Extents& extents, std::uint64_t size_bytes);

// One entry: a run on `device` from block `start` on, or a hole (device 0).
struct ChunkEntry {
  util::DeviceId device;
  util::BlockAddr start;
  bool is_hole = true;
};

// Calls `emit` for each of layout.nentries chunks in order.
void for_each_chunk_entry(const chunk::Extents& extents, const ChunkLayout& layout,
                          const std::function<void(const ChunkEntry&)>& emit);

}  // namespace ondemand::erofs
