// SPDX-License-Identifier: Apache-2.0
#include "image/read_rules.h"
#include "image/drop_sparse.h"
#include "tree/tree_builder.h"

#include <gmock/gmock.h>

namespace ondemand::image {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Dropped {
  bool keeps;
  std::vector<std::string> lines;
};

Dropped drop(tar::Entry& entry) {
  Dropped out;
  out.keeps =
      drop_what_does_not_fit(entry, [&out](const std::string& line) { out.lines.push_back(line); });
  return out;
}

TEST(DropWhatDoesNotFit, LeavesAloneWhatFits) {
  tar::Entry entry;
  entry.xattrs = {{"security.capability", "x"}, {"user.large", std::string(65535, 'x')}};
  const auto before = entry.xattrs;
  EXPECT_TRUE(drop(entry).keeps);
  EXPECT_EQ(entry.xattrs, before);
}

TEST(DropWhatDoesNotFit, NamesAndValuesWithoutAPlaceGo) {
  tar::Entry entry;
  entry.xattrs = {{"com.apple.quarantine", "q"},
                  {"system.nfs4_acl", "n"},
                  {"user." + std::string(250, 'n'), "fits"},
                  {"user." + std::string(251, 'n'), "x"},
                  {"user.big", std::string(65536, 'x')}};
  const Dropped dropped = drop(entry);
  EXPECT_TRUE(dropped.keeps);
  EXPECT_EQ(entry.xattrs.size(), 1U);
  EXPECT_THAT(dropped.lines, ElementsAre(HasSubstr("com.apple.quarantine: dropped: erofs has no"),
                                         HasSubstr("system.nfs4_acl"), HasSubstr("255 bytes"),
                                         HasSubstr("65536 bytes is over 65535")));
}

TEST(DropWhatDoesNotFit, TheLargestGoWhereAllTogetherDoNotFit) {
  tar::Entry entry;
  for (const char* name : {"user.a", "user.b", "user.c", "user.d"})
    entry.xattrs.push_back({name, std::string(65000, 'x')});
  entry.xattrs.push_back({"user.e", std::string(65010, 'x')});
  entry.xattrs.push_back({"user.small", "x"});
  const Dropped dropped = drop(entry);
  EXPECT_THAT(dropped.lines, ElementsAre(HasSubstr("user.e: dropped: one inode")));
  EXPECT_EQ(entry.xattrs.size(), 5U);
}

TEST(DropWhatDoesNotFit, ADeviceThatLinuxCannotHaveGoesAsAWhole) {
  tar::Entry entry;
  entry.type = tar::EntryType::kCharDevice;
  entry.rdev_major = 4096;
  EXPECT_FALSE(drop(entry).keeps);
  entry.rdev_major = 4095;
  entry.rdev_minor = 0xFFFFF;
  EXPECT_TRUE(drop(entry).keeps);
}

TEST(DropList, CountsAllAndKeepsSome) {
  DropList list;
  for (std::size_t i = 0; i < DropList::kMaxListed + 5; ++i)
    list.add("x");
  EXPECT_EQ(list.count, DropList::kMaxListed + 5);
  EXPECT_EQ(list.lines.size(), DropList::kMaxListed);
}

TEST(DropSparse, FilesOfTooManyChunkEntriesGoWithAllTheirNames) {
  tree::TreeBuilder builder;
  builder.begin_layer();
  const auto add = [&builder](const std::string& path, std::uint64_t blocks) {
    tar::Entry entry;
    entry.path = path;
    entry.size = blocks * 4096;
    builder.inode(builder.add(entry)).extents = {{1, 1, {0}, {1}}};
  };
  const auto link = [&builder](const std::string& path, const std::string& target) {
    tar::Entry entry;
    entry.path = path;
    entry.type = tar::EntryType::kHardlink;
    entry.link_target = target;
    builder.add(entry);
  };
  constexpr std::uint64_t kMost = std::uint64_t{1} << 24;
  add("d/most", kMost);
  add("d/more", kMost + 1);
  link("a", "d/more");
  for (int i = 1; i < 8; ++i)
    add("e" + std::to_string(i), kMost);
  add("f", 2);  // the limit of all files is reached
  builder.end_layer();
  tree::Tree tree = builder.finish();
  DropList dropped;
  drop_sparse_files(tree, "image", dropped);
  EXPECT_THAT(dropped.lines,
              testing::ElementsAre(
                  testing::StartsWith("image: a: sparse file that needs 16777217 chunk entries"),
                  testing::StartsWith("image: d/more: sparse file"),
                  testing::StartsWith("image: f: sparse file that needs 2 ")));
  EXPECT_EQ(tree.inodes[tree::kRootInode].children->size(), 8u);
  DropList none;
  drop_sparse_files(tree, "image", none);
  EXPECT_EQ(none.count, 0u);
  const tree::InodeId known = tree.inodes[tree::kRootInode].children->at("e1");
  drop_sparse_files(tree, "image", none, {{known, 99}});
  EXPECT_THAT(none.lines,
              ElementsAre(testing::StartsWith("image: e1: sparse file that needs 99 ")));
}

}  // namespace
}  // namespace ondemand::image
