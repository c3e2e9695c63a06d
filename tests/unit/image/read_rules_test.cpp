// SPDX-License-Identifier: Apache-2.0
#include "image/read_rules.h"

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
                  {"user." + std::string(255, 'n'), "fits"},
                  {"user." + std::string(256, 'n'), "x"},
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

}  // namespace
}  // namespace ondemand::image
