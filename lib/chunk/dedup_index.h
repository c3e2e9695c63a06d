// SPDX-License-Identifier: Apache-2.0
//
// Which chunks exist already, and where: digest of a chunk's bytes -> position on a device.
//
// Thread: one user at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "hash/digest.h"
#include "util/units.h"

namespace ondemand::chunk {

struct ChunkPosition {
  util::BlockAddr start;
  util::DeviceId device;
  auto operator<=>(const ChunkPosition&) const = default;
};

class DedupIndex {
 public:
  std::optional<ChunkPosition> find(const hash::Digest& digest) const;
  // The first position of a digest wins; later ones are ignored.
  void add(const hash::Digest& digest, ChunkPosition position);
  std::size_t size() const { return positions_.size(); }

 private:
  std::unordered_map<hash::Digest, ChunkPosition> positions_;
};

}  // namespace ondemand::chunk
