// SPDX-License-Identifier: Apache-2.0
#include "erofs/chunk_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/erofs/test_tree.h"

namespace ondemand::erofs {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kBlock = chunk::kBlockSize;

struct Chosen {
  unsigned bits;
  std::uint64_t entries;
  bool operator==(const Chosen&) const = default;
};

Chosen choose(const chunk::Extents& extents, std::uint64_t size) {
  const ChunkLayout layout = choose_chunk_layout(extents, size);
  return {layout.chunkbits, layout.nentries};
}

std::string entries(const chunk::Extents& extents, std::uint64_t size) {
  std::string text;
  for_each_chunk_entry(extents, choose_chunk_layout(extents, size), [&](const ChunkEntry& entry) {
    text += entry.is_hole ? "hole " : util::concat(entry.device.value, ":", entry.start.value, " ");
  });
  return text;
}

TEST(ChunkLayout, OneRunIsOneEntry) {
  EXPECT_EQ(choose({extent(0, 1, 7, 1)}, 1), (Chosen{0, 1}));
  EXPECT_EQ(choose({extent(0, 1, 7, 1)}, kBlock), (Chosen{0, 1}));
  EXPECT_EQ(choose({extent(0, 2, 7, 1)}, kBlock + 1), (Chosen{1, 1}));
  EXPECT_EQ(choose({extent(0, 5, 7, 1)}, 5 * kBlock), (Chosen{3, 1}));
}

TEST(ChunkLayout, RunsThatContinueCountAsOne) {
  EXPECT_EQ(choose({extent(0, 3, 7, 1), extent(3, 4, 10, 1)}, 7 * kBlock), (Chosen{3, 1}));
  EXPECT_EQ(choose({extent(0, 3, 7, 1), extent(3, 4, 10, 2)}, 7 * kBlock), (Chosen{0, 7}));
  EXPECT_EQ(choose({extent(0, 3, 7, 1), extent(3, 4, 11, 1)}, 7 * kBlock), (Chosen{0, 7}));
}

TEST(ChunkLayout, TakesTheLargestSizeAtWhichChunksStayWhole) {
  EXPECT_EQ(choose({extent(0, 16, 0, 1), extent(16, 5, 100, 2)}, 21 * kBlock), (Chosen{4, 2}));
  EXPECT_EQ(choose({extent(0, 16, 0, 1), extent(16, 40, 100, 2)}, 56 * kBlock), (Chosen{4, 4}));
  EXPECT_EQ(choose({extent(0, 16, 0, 1), extent(24, 8, 100, 2)}, 32 * kBlock), (Chosen{3, 4}));
  EXPECT_EQ(entries({extent(0, 16, 0, 1), extent(24, 8, 100, 2)}, 32 * kBlock),
            "1:0 1:8 hole 2:100 ");
}

TEST(ChunkLayout, HolesBoundChunksToo) {
  EXPECT_EQ(choose({extent(8, 8, 0, 1)}, 16 * kBlock), (Chosen{3, 2}));
  EXPECT_EQ(choose({extent(0, 8, 0, 1)}, 1000 * kBlock), (Chosen{3, 125}));
  EXPECT_EQ(choose({extent(0, 3, 0, 1)}, 4 * kBlock), (Chosen{0, 4}));
  EXPECT_EQ(entries({extent(0, 3, 9, 1)}, 4 * kBlock), "1:9 1:10 1:11 hole ");
}

TEST(ChunkLayout, AnAllHoleFileTakesFewShortEntries) {
  EXPECT_EQ(choose({}, std::uint64_t{100} << 30), (Chosen{25, 1}));
  EXPECT_EQ(choose({}, std::uint64_t{8} << 40), (Chosen{31, 1}));
  EXPECT_EQ(choose({}, (std::uint64_t{8} << 40) + 1), (Chosen{31, 2}));
  EXPECT_EQ(choose_chunk_layout({}, 1).entry_size(), 4u);
  EXPECT_EQ(choose_chunk_layout({extent(0, 1, 0, 1)}, 1).entry_size(), 8u);
}

TEST(ChunkLayout, RefusesExtentsThatAreNone) {
  for (const chunk::Extents& bad :
       {chunk::Extents{extent(0, 2, 0, 1)}, chunk::Extents{extent(0, 0, 0, 1)},
        chunk::Extents{extent(0, 1, 0, 0)}, chunk::Extents{extent(0, 1, 0xFFFFFFFF, 1)},
        chunk::Extents{extent(0, 1, 0, 1), extent(0, 1, 5, 1)}})
    EXPECT_THAT(error_of([&] { choose_chunk_layout(bad, 1); }), HasSubstr("internal"));
}

}  // namespace
}  // namespace ondemand::erofs
