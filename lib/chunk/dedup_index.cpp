// SPDX-License-Identifier: Apache-2.0
#include "chunk/dedup_index.h"

namespace ondemand::chunk {

std::optional<ChunkPosition> DedupIndex::find(const hash::Digest& digest) const {
  const auto it = positions_.find(digest);
  if (it == positions_.end()) return std::nullopt;
  return it->second;
}

void DedupIndex::add(const hash::Digest& digest, ChunkPosition position) {
  positions_.try_emplace(digest, position);
}

}  // namespace ondemand::chunk
