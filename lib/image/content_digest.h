// SPDX-License-Identifier: Apache-2.0
//
// The content of files as digests that do not depend on how zeros are told (as bytes, or as holes):
// of what went into the builder, to be compared with what can be read back.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "hash/sha256.h"
#include "tree/node.h"
#include "util/bytes.h"

namespace ondemand::image {

// SHA-256 over (number, bytes) of every block of 4096 bytes that is not all zeros, and the size.
// Thread: one user at a time.
class ContentDigest {
 public:
  // Range: `offset` ascends, pieces do not overlap.
  void add(std::uint64_t offset, util::Bytes bytes);
  // Of everything since the last finish().
  hash::Digest finish(std::uint64_t size);

 private:
  static constexpr std::size_t kBlock = 4096;
  void take(std::uint64_t number, util::Bytes block);
  void flush();

  hash::Sha256 sha_;
  std::array<std::uint8_t, kBlock> buffer_{};
  std::optional<std::uint64_t> gathered_;  // number of the block in buffer_
};

// By inode, of the regular files that were recorded.  40 bytes of memory for each inode.
using ContentRecord = std::vector<std::optional<hash::Digest>>;

}  // namespace ondemand::image
