// SPDX-License-Identifier: Apache-2.0
#include "transport/aligned_pieces.h"

#include <gtest/gtest.h>

#include "support/frame_blob.h"
#include "util/error.h"

namespace ondemand::transport {
namespace {

using Ranges = std::vector<util::ByteRange>;

TEST(AlignedPieces, AreAllTheBytesInAlignedMemory) {
  const util::Buffer data = test::numbered_bytes(3 * kPieceBytes + kDirectAlignment + 1, 5);
  const util::Bytes odd = util::Bytes(data).subspan(1);
  util::Buffer copy;
  for_each_aligned_piece(odd, [&](std::uint64_t at, util::Bytes piece) {
    EXPECT_EQ(at, copy.size());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece.data()) % kDirectAlignment, 0U);
    EXPECT_EQ(piece.size() % kDirectAlignment, 0U);
    copy.insert(copy.end(), piece.begin(), piece.end());
  });
  EXPECT_TRUE(std::equal(odd.begin(), odd.end(), copy.begin(), copy.end()));
}

TEST(AlignedPieces, AreWholeBlocksOnly) {
  const util::Buffer data(4097);
  EXPECT_THROW(for_each_aligned_piece(data, [](std::uint64_t, util::Bytes) {}), util::Error);
}

TEST(Widen, MakesWholeBlocksInsideTheRange) {
  EXPECT_EQ(widen({{1024, 1024}, {3072, 1024}}, {0, 16384}), (Ranges{{0, 4096}}));
  EXPECT_EQ(widen({{4096, 1024}, {9216, 1024}}, {0, 16384}), (Ranges{{4096, 8192}}));
  EXPECT_EQ(widen({{4096, 4096}, {12288, 4096}}, {0, 16384}),
            (Ranges{{4096, 4096}, {12288, 4096}}));
  EXPECT_EQ(widen({{5000, 100}}, {5000, 200}), (Ranges{{5000, 200}}));
  EXPECT_EQ(widen({}, {0, 4096}), Ranges{});
}

}  // namespace
}  // namespace ondemand::transport
