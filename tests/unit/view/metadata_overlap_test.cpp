// SPDX-License-Identifier: Apache-2.0
#include "view/metadata_overlap.h"

#include <gtest/gtest.h>

#include "unit/erofs/sample_tree.h"

namespace ondemand::view {
namespace {

TEST(MetadataOverlap, WhatWeWriteHasNone) {
  erofs::SampleTree sample;
  const erofs::TestImage image = erofs::make_image(sample.tree.finish(), sample.options);
  const erofs::BootstrapReader reader = image.reader();
  EXPECT_EQ(find_overlaps(reader, list_tree(reader), 10), std::vector<std::string>{});
}

erofs::TestImage two_large_directories() {
  erofs::TestTree tree;
  tree.directory("a");
  tree.directory("b");
  for (int i = 0; i < 300; ++i) {
    const std::string name = util::concat("/a-name-that-takes-some-room-", i);
    tree.file("a" + name);
    tree.hard_link("b" + name, "a" + name);
  }
  return erofs::make_image(tree.finish());
}

void set_start(erofs::TestImage& image, const erofs::InodeInfo& inode, std::uint32_t start) {
  constexpr std::size_t kOffsetOfStart = 16;  // i_u, in both forms of an inode
  const util::Le32 value(start);
  std::memcpy(image.bytes.data() + inode.offset + kOffsetOfStart, &value, sizeof value);
}

TEST(MetadataOverlap, TwoDirectoriesInOneBlockAreFound) {
  erofs::TestImage image = two_large_directories();
  const erofs::InodeInfo a = image.reader().inode(*image.reader().lookup("a"));
  const erofs::InodeInfo b = image.reader().inode(*image.reader().lookup("b"));
  set_start(image, b, a.i_u);
  const erofs::BootstrapReader reader = image.reader();
  const auto found = find_overlaps(reader, list_tree(reader), 10);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].find("belongs to both /a and /b"), std::string::npos) << found[0];
}

}  // namespace
}  // namespace ondemand::view
