// SPDX-License-Identifier: Apache-2.0
//
// From missing bytes of the kernel view to the ranges that are asked of a server.  Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "blob/chunk_index.h"
#include "util/units.h"

namespace ondemand::serve {

// Consecutive frames [first, first + count), fetched with one range request.
struct FrameRun {
  std::size_t first = 0;
  std::size_t count = 0;
  auto operator<=>(const FrameRun&) const = default;
};

// The part of `range` that lies inside a file of `size` bytes; empty when there is none.
// Any numbers are allowed, also such that overflow.
util::ByteRange clamp_range(util::ByteRange range, std::uint64_t size);

// Frames that hold any byte of `missing`, ascending, each once.  Bytes behind the last frame have
// none: `uncovered` is set when there are such (rounded up to whole blocks).
struct FramePlan {
  std::vector<std::size_t> frames;
  bool uncovered = false;
};
FramePlan plan_frames(const blob::ChunkIndex& index, std::span<const util::ByteRange> missing);

// Joins neighbours into runs of at most `max_stored_bytes`; a larger frame is a run of its own.
// `frames` ascends.
std::vector<FrameRun> coalesce(const blob::ChunkIndex& index, std::span<const std::size_t> frames,
                               std::uint64_t max_stored_bytes);

// The bytes on the server that hold a run.  Range: run.count > 0.
util::ByteRange stored_range(const blob::ChunkIndex& index, FrameRun run);

}  // namespace ondemand::serve
