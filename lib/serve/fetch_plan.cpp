// SPDX-License-Identifier: Apache-2.0
#include "serve/fetch_plan.h"

#include <algorithm>

#include "serve/target.h"
#include "util/align.h"

namespace ondemand::serve {

util::ByteRange clamp_range(util::ByteRange range, std::uint64_t size) {
  if (range.offset >= size) return {size, 0};
  return {range.offset, std::min(range.len, size - range.offset)};
}

FramePlan plan_frames(const blob::ChunkIndex& index, std::span<const util::ByteRange> missing) {
  FramePlan plan;
  const std::uint64_t data_end = index.uncompressed_size();
  for (const util::ByteRange& hole : missing) {
    if (hole.end() > util::round_up(data_end, kBlockBytes)) plan.uncovered = true;
    const util::ByteRange wanted = clamp_range(hole, data_end);
    if (wanted.empty()) continue;
    std::size_t first = index.find(wanted.offset);
    const std::size_t last = index.find(wanted.end() - 1);
    if (!plan.frames.empty()) first = std::max(first, plan.frames.back() + 1);
    for (std::size_t frame = first; frame <= last; ++frame)
      plan.frames.push_back(frame);
  }
  return plan;
}

util::ByteRange stored_range(const blob::ChunkIndex& index, FrameRun run) {
  const std::uint64_t begin = index.frame(run.first).stored.offset;
  return {begin, index.frame(run.first + run.count - 1).stored.end() - begin};
}

std::vector<FrameRun> coalesce(const blob::ChunkIndex& index, std::span<const std::size_t> frames,
                               std::uint64_t max_stored_bytes) {
  std::vector<FrameRun> runs;
  for (const std::size_t frame : frames) {
    if (!runs.empty() && runs.back().first + runs.back().count == frame) {
      const FrameRun longer{runs.back().first, runs.back().count + 1};
      if (stored_range(index, longer).len <= max_stored_bytes) {
        runs.back() = longer;
        continue;
      }
    }
    runs.push_back({frame, 1});
  }
  return runs;
}

}  // namespace ondemand::serve
