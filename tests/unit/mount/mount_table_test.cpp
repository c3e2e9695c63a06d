// SPDX-License-Identifier: Apache-2.0
#include "mount/mount_table.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ondemand::mount {
namespace {

constexpr std::string_view kText =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw,discard\n"
    "40 22 0:35 / /mnt/with\\040space ro,relatime shared:7 master:2 - erofs "
    "/var/cache/a\\134b/cache/Ierofs/@00/Dx ro,user_xattr\n"
    "41 22 0:36 /sub /mnt/b ro - erofs /dev/loop0 ro\n"
    "42 22 0:37 / /mnt/c ro - erofs /var/cache/ab/x ro\n"
    "nonsense\n"
    "43 22 0:38 / /mnt/d rw shared:1\n"
    "x 22 0:38 / /mnt/d rw - tmpfs tmpfs rw\n";

TEST(ParseMountinfo, TakesLinesWithAnyNumberOfOptionalFields) {
  const auto mounts = parse_mountinfo(kText);
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_EQ(mounts[0].id, 22u);
  EXPECT_EQ(mounts[0].device, "8:1");
  EXPECT_EQ(mounts[0].filesystem, "ext4");
  EXPECT_EQ(mounts[2].root, "/sub");
  EXPECT_EQ(mounts[2].source, "/dev/loop0");
}

TEST(ParseMountinfo, UnescapesSpacesAndBackslashes) {
  const auto mounts = parse_mountinfo(kText);
  EXPECT_EQ(mounts[1].mountpoint, "/mnt/with space");
  EXPECT_EQ(mounts[1].source, "/var/cache/a\\b/cache/Ierofs/@00/Dx");
}

TEST(ParseMountinfo, AnEscapeThatIsCutOffStaysAsItIs) {
  const auto mounts = parse_mountinfo("1 1 0:1 / /a\\04 rw - erofs \\9 rw\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].mountpoint, "/a\\04");
  EXPECT_EQ(mounts[0].source, "\\9");
}

TEST(ErofsMountsBelow, ComparesWholePathComponents) {
  const auto mounts = parse_mountinfo(kText);
  const auto found = erofs_mounts_below(mounts, "/var/cache/a\\b");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].id, 40u);
  EXPECT_EQ(erofs_mounts_below(mounts, "/var/cache").size(), 2u);
  EXPECT_EQ(erofs_mounts_below(mounts, "/var/cache/ab/x").size(), 1u);
  EXPECT_TRUE(erofs_mounts_below(mounts, "/var/cache/a").empty());
}

TEST(ListMounts, HasTheRoot) {
  const auto mounts = list_mounts();
  EXPECT_TRUE(std::any_of(mounts.begin(), mounts.end(),
                          [](const MountEntry& entry) { return entry.mountpoint == "/"; }));
}

}  // namespace
}  // namespace ondemand::mount
