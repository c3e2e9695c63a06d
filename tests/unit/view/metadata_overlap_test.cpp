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

std::vector<std::string> overlaps_of(const erofs::TestImage& image) {
  const erofs::BootstrapReader reader = image.reader();
  return find_overlaps(reader, list_tree(reader), 1000);
}

TEST(MetadataOverlap, FilesMayShareDataButNotWithADirectory) {
  erofs::TestTree tree;
  tree.directory("a");
  for (int i = 0; i < 300; ++i)
    tree.file(util::concat("a/a-name-that-takes-some-room-", i));
  tree.inline_file("one", std::string(9000, '1'));
  tree.inline_file("two", std::string(9000, '2'));
  erofs::TestImage image = erofs::make_image(tree.finish());
  const auto inode = [&image](const char* path) {
    return image.reader().inode(*image.reader().lookup(path));
  };
  set_start(image, inode("one"), inode("two").i_u);
  EXPECT_EQ(overlaps_of(image), std::vector<std::string>{});
  set_start(image, inode("one"), inode("a").i_u);
  const auto found = overlaps_of(image);
  ASSERT_FALSE(found.empty());
  EXPECT_NE(found[0].find("the data of /one"), std::string::npos) << found[0];
  EXPECT_NE(found[0].find("/a"), std::string::npos) << found[0];
}

TEST(MetadataOverlap, SharedXattrsHaveAPlaceOfTheirOwn) {
  erofs::TestTree tree;
  for (int i = 0; i < 300; ++i)
    erofs::TestTree::set_xattrs(tree.file(util::concat("file-", i)),
                                {{"user.common", "the same value for all of them"}});
  tree.inline_file("data", std::string(9000, 'd'));
  erofs::TestImage image = erofs::make_image(tree.finish());
  EXPECT_EQ(overlaps_of(image), std::vector<std::string>{});
  const erofs::InodeInfo data = image.reader().inode(*image.reader().lookup("data"));
  set_start(image, data, image.reader().superblock().xattr_blkaddr);
  std::string found;
  for (const std::string& overlap : overlaps_of(image))
    found += overlap + "\n";
  EXPECT_NE(found.find("the shared xattrs of /file-"), std::string::npos) << found;
  EXPECT_NE(found.find("the data of /data"), std::string::npos) << found;
}

}  // namespace
}  // namespace ondemand::view
