// SPDX-License-Identifier: Apache-2.0
//
// Decides which blobs of a dictionary an image refers to.  Every blob that it refers to costs a
// device, a mark and a chunk index on each machine that runs it, so few blobs are to save much:
// again and again the one that saves most beyond those chosen before, while it saves more than its
// index costs.
//
// Thread: one user at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "chunk/dedup_index.h"
#include "image/chunk_dict.h"

namespace ondemand::image {

struct DictChoice {
  std::vector<std::uint32_t> blobs;  // positions in ChunkDict::blobs(), ascending
  std::size_t own_blobs = 0;         // that have chunks which lie in none of those
  // Chunks of the image that lie in those blobs; device.value - 1 is the position in `blobs`.
  std::vector<std::pair<hash::Digest, chunk::ChunkPosition>> chunks;
};

class DictPlan {
 public:
  // Borrows the dictionary.
  explicit DictPlan(ChunkDict& dict) : dict_(dict) {}

  // The chunks that follow belong to the next blob that the image would have without a dictionary.
  void begin_blob() { nothers_.push_back(0); }
  // A chunk that the image to be made needs: each once, in any order that the input gives.
  void add(const hash::Digest& digest, util::Bytes bytes);

  // The same chunks and dictionary give the same choice.  `max_blobs`: of the dictionary and the
  // image's own together; the latter alone may be more.
  DictChoice choose(std::size_t max_blobs) const;

 private:
  struct Needed {
    hash::Digest digest;
    std::uint64_t len;
    std::uint32_t own;                // position in nothers_
    std::optional<DictChunk> hidden;  // its only place, where the dictionary does not name it
  };
  std::span<const DictChunk> places(const Needed& needed) const {
    return needed.hidden ? std::span(&*needed.hidden, 1) : dict_.find(needed.digest);
  }
  class Search;
  ChunkDict& dict_;
  std::vector<Needed> needed_;          // those that the dictionary has
  std::vector<std::uint64_t> nothers_;  // how many others, for each blob of the image's own
};

// What a blob that is referred to costs: its chunk index and its place in manifest and device
// table.  Unit: bytes
std::uint64_t cost_of(const DictBlob& blob);

}  // namespace ondemand::image
