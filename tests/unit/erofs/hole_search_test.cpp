// SPDX-License-Identifier: Apache-2.0
#include "erofs/hole_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "unit/erofs/test_tree.h"

namespace ondemand::erofs {
namespace {

constexpr std::uint64_t kBlock = chunk::kBlockSize;

class HoleSearch : public testing::Test {
 protected:
  std::optional<std::string> find() {
    BootstrapOptions options;
    options.devices.push_back(blob_device(64));
    image_ = make_image(tree_.finish(), options);
    return find_hole_before_data(image_.reader());
  }
  InodeInfo inode(const char* path) const {
    return image_.reader().inode(image_.reader().lookup(path).value());
  }
  void put(std::size_t at, std::uint32_t value) {
    const util::Le32 le(value);
    std::memcpy(image_.bytes.data() + at, &le, sizeof le);
  }

  TestTree tree_;
  TestImage image_;
};

TEST_F(HoleSearch, FilesWithoutHolesAndOthersThanFilesAreSafe) {
  tree_.directory("d");
  tree_.file("d/one", 5 * kBlock, {extent(0, 5, 3, 1)});
  tree_.file("d/two", 4 * kBlock, {extent(0, 2, 3, 1), extent(2, 2, 9, 1)});
  tree_.file("empty");
  tree_.inline_file("inline", "text");
  tree_.symlink("link", "d/one");
  tree_.special("null", tree::FileType::kCharDevice, 1, 3);
  EXPECT_EQ(find(), std::nullopt);
}

TEST_F(HoleSearch, HoleAtTheEndOfAFileIsSafeSoIsOneThatIsTheWholeFile) {
  tree_.file("tail", 9 * kBlock + 5, {extent(0, 4, 3, 1)});
  tree_.file("all", 100 * kBlock);
  tree_.file("huge", std::uint64_t{1} << 60);
  EXPECT_EQ(find(), std::nullopt);
}

TEST_F(HoleSearch, HoleBeforeDataIsFoundAtTheBeginningAndBetween) {
  tree_.file("begin", 2 * kBlock, {extent(1, 1, 3, 1)});
  EXPECT_EQ(find(), "/begin");
  tree_ = {};
  tree_.file("between", 10 * kBlock, {extent(0, 1, 3, 1), extent(4, 1, 5, 1)});
  EXPECT_EQ(find(), "/between");
  EXPECT_TRUE(has_hole_before_data(image_.reader(), inode("between")));
}

TEST_F(HoleSearch, PathIsNamedThroughAllDirectoriesAndIsTheSameEachTime) {
  tree_.directory("usr");
  tree_.directory("usr/share");
  for (const char* name : {"a", "b", "c"})
    tree_.file(util::concat("usr/share/", name), 3 * kBlock, {extent(2, 1, 3, 1)});
  tree_.directory("var");
  const auto first = find();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->substr(0, 11), "/usr/share/");
  EXPECT_EQ(find_hole_before_data(image_.reader()), first);
}

// Other tools use entries of 4 bytes, without devices.
TEST_F(HoleSearch, BlockMapsAreReadAsWell) {
  tree_.file("map", 3 * kBlock);
  tree_.file("padding", 3 * kBlock);
  ASSERT_EQ(find(), std::nullopt);
  const InodeInfo map = inode("map");
  ASSERT_EQ(map.i_u & ondisk::kErofsChunkIndexes, 0U);
  ASSERT_TRUE(map.is_compact);
  put(map.offset + 16, map.i_u & ~std::uint32_t{ondisk::kErofsChunkBitsMask});  // a chunk a block
  // The writer gave one entry; the next two are in what follows it.
  for (const std::uint32_t entry : {0U, 1U, 2U})
    put(map.end() + 4 * std::size_t{entry}, entry == 1 ? ondisk::kErofsNullAddr : 0);
  EXPECT_TRUE(has_hole_before_data(image_.reader(), inode("map")));
  put(map.end() + 8, ondisk::kErofsNullAddr);
  EXPECT_FALSE(has_hole_before_data(image_.reader(), inode("map")));
}

TEST_F(HoleSearch, TailInTheInodeIsDataTooAndFlatFilesMayBeHoles) {
  tree_.inline_file("flat", "text");
  ASSERT_EQ(find(), std::nullopt);
  const InodeInfo flat = inode("flat");
  ASSERT_TRUE(flat.is_compact);
  ASSERT_EQ(flat.layout, ondisk::ErofsLayout::kFlatInline);
  put(flat.offset + 8, kBlock + 4);               // i_size: a block before the tail
  put(flat.offset + 16, ondisk::kErofsNullAddr);  // that is nowhere
  EXPECT_EQ(find_hole_before_data(image_.reader()), "/flat");
  put(flat.offset + 8, kBlock);
  EXPECT_EQ(find_hole_before_data(image_.reader()), std::nullopt);
}

// The kernel decompresses these on another way, and minds what is mapped.
TEST_F(HoleSearch, CompressedInodesAreNotLookedAt) {
  tree_.file("f", 4 * kBlock, {extent(2, 1, 3, 1)});
  ASSERT_EQ(find(), "/f");
  const InodeInfo f = inode("f");
  image_.bytes[f.offset] = 3 << 1;
  EXPECT_EQ(find_hole_before_data(image_.reader()), std::nullopt);
}

TEST_F(HoleSearch, ChunkEntriesThatOverlapAreRefused) {
  const std::string names = "abcdefghij";
  for (const char name : names)
    tree_.file(std::string(1, name), kBlock);
  ASSERT_EQ(find(), std::nullopt);
  // All of them say that a quarter of the image is theirs, and data.
  for (const char name : names) {
    const InodeInfo info = inode(std::string(1, name).c_str());
    put(info.offset + 8, static_cast<std::uint32_t>(image_.bytes.size() / 16 * kBlock));
    put(info.end(), 0);
  }
  EXPECT_THAT(error_of([&] { find_hole_before_data(image_.reader()); }),
              testing::HasSubstr("corrupt: image: look for holes: more chunk entries"));
}

}  // namespace
}  // namespace ondemand::erofs
