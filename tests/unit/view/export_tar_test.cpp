// SPDX-License-Identifier: Apache-2.0
#include "view/export_tar.h"

#include <gtest/gtest.h>

#include "unit/erofs/test_tree.h"

namespace ondemand::view {
namespace {

using erofs::extent;

constexpr std::uint64_t kBlock = 4096;

std::vector<util::ByteRange> pieces_of(std::uint64_t size, const chunk::Extents& extents) {
  erofs::TestTree tree;
  tree.file("f", size, extents);
  erofs::BootstrapOptions options;
  options.devices = {erofs::blob_device(100000)};
  const erofs::TestImage image = erofs::make_image(tree.finish(), options);
  const erofs::BootstrapReader reader = image.reader();
  return sparse_pieces(reader, reader.inode(*reader.lookup("f")));
}

using Pieces = std::vector<util::ByteRange>;

TEST(SparsePieces, AFileWithoutHolesIsOnePiece) {
  EXPECT_EQ(pieces_of(3 * kBlock - 5, {extent(0, 3, 0, 1)}), (Pieces{{0, 3 * kBlock - 5}}));
  EXPECT_EQ(pieces_of(0, {}), Pieces{});
}

TEST(SparsePieces, SmallHolesAreNotWorthIt) {
  EXPECT_EQ(pieces_of(30 * kBlock, {extent(2, 3, 0, 1), extent(10, 15, 9, 1)}),
            (Pieces{{0, 30 * kBlock}}));
  EXPECT_EQ(pieces_of(100, {}), (Pieces{{0, 100}}));
}

TEST(SparsePieces, LargeHolesAreLeftOut) {
  EXPECT_EQ(pieces_of(1000 * kBlock, {}), Pieces{});
  EXPECT_EQ(pieces_of(1000 * kBlock, {extent(100, 4, 0, 1)}), (Pieces{{100 * kBlock, 4 * kBlock}}));
  EXPECT_EQ(pieces_of(1000 * kBlock, {extent(0, 4, 0, 1), extent(996, 4, 8, 1)}),
            (Pieces{{0, 4 * kBlock}, {996 * kBlock, 4 * kBlock}}));
  // A small hole at the begin and one at the end belong to the data.
  EXPECT_EQ(pieces_of(1000 * kBlock, {extent(1, 4, 0, 1), extent(990, 4, 8, 1)}),
            (Pieces{{0, 5 * kBlock}, {990 * kBlock, 10 * kBlock}}));
}

}  // namespace
}  // namespace ondemand::view
