// SPDX-License-Identifier: Apache-2.0
#include "image/dict_plan.h"

#include <algorithm>

namespace ondemand::image {

namespace {

// Two layers of a manifest with their annotations and a device slot take about this much.
constexpr std::uint64_t kEntryBytes = 1024;
// Ratios of stored to uncompressed bytes are counted in this unit, so that every machine gets the
// same choice.
constexpr std::uint64_t kRatioUnit = 1024;

// What storing `view_bytes` of this blob's data again would take.
std::uint64_t stored_estimate(const DictBlob& blob, std::uint64_t view_bytes) {
  const std::uint64_t view = blob.index.uncompressed_size();
  const std::uint64_t ratio = view == 0 ? 0 : blob.device.descriptor.size / (view / kRatioUnit + 1);
  return view_bytes / kRatioUnit * std::min(ratio, kRatioUnit);
}

}  // namespace

std::uint64_t cost_of(const DictBlob& blob) {
  return blob.device.standalone_index->size + kEntryBytes;
}

void DictPlan::add(const hash::Digest& digest, util::Bytes bytes) {
  Needed needed{digest, bytes.size(), std::nullopt};
  if (dict_.find(digest).empty()) {
    needed.hidden = dict_.find_hidden(digest, bytes);
    if (!needed.hidden) return;
  }
  needed_.push_back(needed);
}

DictChoice DictPlan::choose(std::size_t max_blobs) const {
  const std::vector<DictBlob>& blobs = dict_.blobs();
  std::vector<std::vector<std::uint32_t>> chunks_of(blobs.size());  // positions in needed_
  for (std::uint32_t i = 0; i < needed_.size(); ++i)
    for (const DictChunk& place : places(needed_[i])) {
      auto& chunks = chunks_of[place.blob];
      if (chunks.empty() || chunks.back() != i) chunks.push_back(i);
    }

  std::vector<bool> is_covered(needed_.size());
  std::vector<bool> is_chosen(blobs.size());
  for (std::size_t count = 0; count < max_blobs; ++count) {
    std::optional<std::size_t> best;
    std::uint64_t best_gain = 0;
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      std::uint64_t bytes = 0;
      for (const std::uint32_t chunk : chunks_of[i])
        if (!is_covered[chunk]) bytes += needed_[chunk].len;
      const std::uint64_t saved = stored_estimate(blobs[i], bytes);
      const std::uint64_t cost = cost_of(blobs[i]);
      if (saved <= cost || saved - cost <= best_gain) continue;
      best = i;
      best_gain = saved - cost;
    }
    if (!best) break;
    is_chosen[*best] = true;
    for (const std::uint32_t chunk : chunks_of[*best])
      is_covered[chunk] = true;
  }

  DictChoice choice;
  std::vector<std::uint16_t> device_of(blobs.size());
  for (std::uint32_t i = 0; i < blobs.size(); ++i) {
    if (!is_chosen[i]) continue;
    choice.blobs.push_back(i);
    device_of[i] = static_cast<std::uint16_t>(choice.blobs.size());
  }
  for (const Needed& needed : needed_)
    for (const DictChunk& place : places(needed)) {
      if (!is_chosen[place.blob]) continue;
      choice.chunks.emplace_back(needed.digest,
                                 chunk::ChunkPosition{place.start, {device_of[place.blob]}});
      break;
    }
  return choice;
}

}  // namespace ondemand::image
