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
  Needed needed{digest, bytes.size(), static_cast<std::uint32_t>(nothers_.size() - 1),
                std::nullopt};
  if (dict_.find(digest).empty()) {
    needed.hidden = dict_.find_hidden(digest, bytes);
    if (!needed.hidden) {
      ++nothers_.back();
      return;
    }
  }
  needed_.push_back(needed);
}

// Who is chosen so far, and what is left to store.
class DictPlan::Search {
 public:
  explicit Search(const DictPlan& plan)
      : plan_(plan),
        blobs_(plan.dict_.blobs()),
        chunks_of_(blobs_.size()),
        is_covered_(plan.needed_.size()),
        is_chosen_(blobs_.size()),
        nleft_(plan.nothers_) {
    for (std::uint32_t i = 0; i < plan.needed_.size(); ++i) {
      ++nleft_[plan.needed_[i].own];
      for (const DictChunk& place : plan.places(plan.needed_[i])) {
        auto& chunks = chunks_of_[place.blob];
        if (chunks.empty() || chunks.back() != i) chunks.push_back(i);
      }
    }
  }

  std::size_t own_blobs() const {
    return static_cast<std::size_t>(
        std::count_if(nleft_.begin(), nleft_.end(), [](std::uint64_t left) { return left > 0; }));
  }
  bool is_chosen(std::size_t blob) const { return is_chosen_[blob]; }

  // The one that saves most, if any saves more than it costs.
  std::optional<std::size_t> find_best(std::size_t max_blobs) const {
    const bool has_room = nchosen_ + own_blobs() < max_blobs;
    std::optional<std::size_t> best;
    std::uint64_t best_gain = 0;
    for (std::size_t i = 0; i < blobs_.size(); ++i) {
      std::uint64_t bytes = 0;
      for (const std::uint32_t chunk : chunks_of_[i])
        if (!is_covered_[chunk]) bytes += plan_.needed_[chunk].len;
      const std::uint64_t saved = stored_estimate(blobs_[i], bytes);
      const std::uint64_t cost = cost_of(blobs_[i]);
      if (saved <= cost || saved - cost <= best_gain) continue;
      if (!has_room && !takes_a_place(i)) continue;
      best = i;
      best_gain = saved - cost;
    }
    return best;
  }

  void choose(std::size_t blob) {
    is_chosen_[blob] = true;
    ++nchosen_;
    for (const std::uint32_t chunk : chunks_of_[blob]) {
      if (!is_covered_[chunk]) --nleft_[plan_.needed_[chunk].own];
      is_covered_[chunk] = true;
    }
  }

 private:
  // Does it have all that is left of a blob of the image's own, which then need not be?
  bool takes_a_place(std::size_t blob) const {
    std::vector<std::uint64_t> nleft = nleft_;
    for (const std::uint32_t chunk : chunks_of_[blob])
      if (!is_covered_[chunk] && --nleft[plan_.needed_[chunk].own] == 0) return true;
    return false;
  }

  const DictPlan& plan_;
  const std::vector<DictBlob>& blobs_;
  std::vector<std::vector<std::uint32_t>> chunks_of_;  // positions in needed_, for each of blobs_
  std::vector<bool> is_covered_;                       // of needed_
  std::vector<bool> is_chosen_;
  std::size_t nchosen_ = 0;
  std::vector<std::uint64_t> nleft_;  // chunks to store in each blob of the image's own
};

DictChoice DictPlan::choose(std::size_t max_blobs) const {
  const std::vector<DictBlob>& blobs = dict_.blobs();
  Search search(*this);
  while (const auto best = search.find_best(max_blobs))
    search.choose(*best);

  DictChoice choice;
  choice.own_blobs = search.own_blobs();
  std::vector<std::uint16_t> device_of(blobs.size());
  for (std::uint32_t i = 0; i < blobs.size(); ++i) {
    if (!search.is_chosen(i)) continue;
    choice.blobs.push_back(i);
    device_of[i] = static_cast<std::uint16_t>(choice.blobs.size());
  }
  for (const Needed& needed : needed_)
    for (const DictChunk& place : places(needed)) {
      if (!search.is_chosen(place.blob)) continue;
      choice.chunks.emplace_back(needed.digest,
                                 chunk::ChunkPosition{place.start, {device_of[place.blob]}});
      break;
    }
  return choice;
}

}  // namespace ondemand::image
