// SPDX-License-Identifier: Apache-2.0
#include "chunk/dedup_index.h"

#include <gtest/gtest.h>

#include "hash/sha256.h"

namespace ondemand::chunk {
namespace {

TEST(DedupIndex, TheFirstPositionOfADigestWins) {
  DedupIndex index;
  const hash::Digest a = hash::sha256(util::as_bytes("a"));
  EXPECT_EQ(index.find(a), std::nullopt);
  index.add(a, {{5}, {1}});
  index.add(a, {{9}, {2}});
  EXPECT_EQ(index.find(a), (ChunkPosition{{5}, {1}}));
  EXPECT_EQ(index.size(), 1U);
}

}  // namespace
}  // namespace ondemand::chunk
