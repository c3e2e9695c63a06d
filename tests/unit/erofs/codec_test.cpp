// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "erofs/crc32c.h"
#include "erofs/dirent_codec.h"
#include "erofs/inode_codec.h"
#include "erofs/slot_allocator.h"
#include "erofs/xattr_codec.h"
#include "erofs/xattr_plan.h"
#include "unit/erofs/test_tree.h"

namespace ondemand::erofs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Crc32c, GivesThePublishedValues) {
  // RFC 3720 appendix B.4 and the usual check value, which are inverted at the end.
  EXPECT_EQ(~crc32c(0xFFFFFFFF, util::as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(~crc32c(0xFFFFFFFF, util::Buffer(32, 0)), 0x8A9136AAu);
  EXPECT_EQ(~crc32c(0xFFFFFFFF, util::Buffer(32, 0xFF)), 0x62A8AB43u);
}

TEST(Crc32c, StartOfTheKernelsPrecomputedForm) {
  // Newer kernels begin with this value behind magic and zeroed checksum.
  const util::Buffer head{0xE2, 0xE1, 0xF5, 0xE0, 0, 0, 0, 0};
  EXPECT_EQ(crc32c(0xFFFFFFFF, head), 0x5045B54Au);
}

TEST(Xxh32, GivesThePublishedValues) {
  EXPECT_EQ(xxh32({}, 0), 0x02CC5D05u);
  EXPECT_EQ(xxh32(util::as_bytes("a"), 0), 0x550D7456u);
  EXPECT_EQ(xxh32(util::as_bytes("abc"), 0), 0x32D153FFu);
  EXPECT_EQ(xxh32(util::as_bytes("Nobody inspects the spammish repetition"), 0), 0xE2293B2Fu);
}

TEST(XattrName, SplitsTheNamespacesThatErofsKnows) {
  EXPECT_EQ(split_xattr_name("user.a.b")->index, 1);
  EXPECT_EQ(split_xattr_name("user.a.b")->suffix, "a.b");
  EXPECT_EQ(split_xattr_name("system.posix_acl_access")->index, 2);
  EXPECT_EQ(split_xattr_name("system.posix_acl_default")->suffix, "");
  EXPECT_EQ(split_xattr_name("trusted.x")->index, 4);
  EXPECT_EQ(split_xattr_name("security.capability")->index, 6);
  for (const char* name :
       {"user.", "user", "system.nfs4_acl", "system.posix_acl_accessx", "", "lustre.lov"})
    EXPECT_FALSE(split_xattr_name(name)) << name;
}

TEST(DeviceNumber, HasTheKernelsNewEncoding) {
  EXPECT_EQ(encode_rdev(1, 3), 0x103u);
  EXPECT_EQ(encode_rdev(0xFFF, 0xFFFFF), 0xFFFFFFFFu);
  EXPECT_EQ(encode_rdev(8, 0x12345), 0x12300845u);
  EXPECT_EQ(decode_rdev_major(0x12300845), 8u);
  EXPECT_EQ(decode_rdev_minor(0x12300845), 0x12345u);
}

std::size_t u16_at(util::Bytes bytes, std::size_t at) {
  return std::size_t{bytes[at]} + std::size_t{bytes[at + 1]} * 256;
}

std::vector<std::string> names_of(const tree::Children& children,
                                  std::vector<std::size_t>* sizes = nullptr) {
  std::vector<std::string> names;
  const DirectoryContent content{children, 0, 0, [](tree::InodeId id) {
                                   return DirentTarget{id, {}};
                                 }};
  encode_directory(content, 0, [&](util::Bytes block) {
    if (sizes != nullptr) sizes->push_back(block.size());
    const std::size_t count = u16_at(block, 8) / 12;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t begin = u16_at(block, 12 * i + 8);
      const std::size_t end = i + 1 < count ? u16_at(block, 12 * i + 20) : block.size();
      const std::string name(util::as_text(block.subspan(begin, end - begin)));
      names.push_back(name.substr(0, name.find('\0')));
    }
  });
  return names;
}

TEST(Directory, PutsTheDotsInTheirSortedPlaces) {
  EXPECT_THAT(names_of({}), ElementsAre(".", ".."));
  EXPECT_THAT(
      names_of({{"!", 1}, {"-a", 2}, {".-", 3}, {"...", 4}, {".a", 5}, {"a", 6}, {"\xff", 7}}),
      ElementsAre("!", "-a", ".", ".-", "..", "...", ".a", "a", "\xff"));
  EXPECT_THAT(names_of({{" ", 1}, {"!", 2}}), ElementsAre(" ", "!", ".", ".."));
}

TEST(Directory, HasTheDocumentedBytes) {
  const tree::Children children{{"ab", 5}};
  util::Buffer bytes;
  const DirectoryContent content{children, 1, 2, [](tree::InodeId id) {
                                   return DirentTarget{id, ondisk::ErofsFileType::kDirectory};
                                 }};
  encode_directory(content, 0,
                   [&](util::Bytes block) { bytes.assign(block.begin(), block.end()); });
  const util::Buffer expected{1,   0,   0,   0,   0,  0, 0, 0, 36, 0, 2, 0,  // "."
                              2,   0,   0,   0,   0,  0, 0, 0, 37, 0, 2, 0,  // ".."
                              5,   0,   0,   0,   0,  0, 0, 0, 39, 0, 2, 0,  // "ab"
                              '.', '.', '.', 'a', 'b'};
  EXPECT_EQ(bytes, expected);
  EXPECT_EQ(directory_size(children), expected.size());
}

TEST(Directory, FillsBlocksToTheLastByteAndNeverCrossesThem) {
  // "." and ".." take 27 bytes; 15 names of 255 bytes 267 each: 4032; 37 bytes are left.
  tree::Children children;
  for (char c = 'a'; c < 'a' + 15; ++c)
    children.emplace(std::string(255, c), 1);
  children.emplace("x" + std::string(24, 'x'), 1);
  std::vector<std::size_t> sizes;
  EXPECT_EQ(names_of(children, &sizes).size(), 18u);
  EXPECT_THAT(sizes, ElementsAre(27 + 15 * 267 + 37));
  children.emplace("y" + std::string(26, 'y'), 1);  // 39 bytes, where 27 are left
  sizes.clear();
  EXPECT_EQ(names_of(children, &sizes).size(), 19u);
  EXPECT_THAT(sizes, ElementsAre(4096, 39));
  EXPECT_EQ(directory_size(children), 4096u + 39);
}

TEST(SlotAllocator, FillsGapsWithTheSmallestThatFits) {
  SlotAllocator slots(0);
  EXPECT_EQ(slots.allocate(3000, true), 0u);
  EXPECT_EQ(slots.allocate(2000, true), 4096u);  // leaves 3008..4096
  EXPECT_EQ(slots.allocate(2112, true), 8192u);  // leaves 6112..8192
  EXPECT_EQ(slots.allocate(64, false), 3008u);
  EXPECT_EQ(slots.allocate(1025, true), 6112u);
  EXPECT_EQ(slots.allocate(1024, true), 7168u);  // exactly, and the latest of two
  EXPECT_EQ(slots.end(), 8192u + 2112);
}

TEST(SlotAllocator, LetsUnboundRequestsCrossBlocks) {
  SlotAllocator slots(4064);
  EXPECT_EQ(slots.allocate(96, false), 4064u);
  EXPECT_EQ(slots.allocate(100'000, false), 4160u);
  EXPECT_EQ(slots.allocate(32, false), 4160u + 100'000);
}

TEST(XattrPlan, SharesWhatIsSmallerShared) {
  const tree::XattrSet common{{"user.long", std::string(50, 'x')}};
  const tree::XattrSet other{{"user.long", std::string(50, 'x')}, {"user.once", "1"}};
  XattrPlan plan;
  const auto a = plan.add(common);
  const auto b = plan.add(other);
  EXPECT_EQ(plan.add(common), a);
  plan.finish();
  EXPECT_EQ(plan.shared_size(), 60u);  // 4 + 4 + 50 rounded up
  EXPECT_EQ(plan.region_size(a), 16u);
  EXPECT_EQ(plan.region_size(b), 12u + 4 + 12);
  const util::Buffer region = plan.encode_region(a, 7);
  EXPECT_EQ(region[4], 1);
  EXPECT_EQ(region[12], 7);
}

TEST(XattrPlan, KeepsASmallOneBesideItsInode) {
  const tree::XattrSet set{{"system.posix_acl_access", ""}};  // 4 bytes, as much as an id
  XattrPlan plan;
  plan.add(set);
  plan.add(set);
  plan.finish();
  EXPECT_EQ(plan.shared_size(), 0u);
}

TEST(XattrPlan, RefusesWhatErofsCannotHold) {
  const auto add = [](const std::string& name, std::size_t value) {
    return error_of([&] {
      const tree::XattrSet set{{name, std::string(value, 'x')}};
      XattrPlan().add(set);
    });
  };
  EXPECT_THAT(add("system.nfs4_acl", 1), HasSubstr("unsupported: xattr system.nfs4_acl"));
  EXPECT_THAT(add("user." + std::string(251, 'n'), 1), HasSubstr("longer than 255 bytes"));
  EXPECT_EQ(add("user." + std::string(250, 'n'), 65535), "");
  EXPECT_THAT(add("user.n", 65536), HasSubstr("too-large: xattr user.n"));
  tree::XattrSet big;
  for (char c = 'a'; c < 'e'; ++c)
    big.push_back({std::string("user.") + c, std::string(65535, 'x')});
  XattrPlan plan;
  const tree::XattrSet small{{"user.a", "x"}};
  plan.add(small);
  const auto id = plan.add(big);
  EXPECT_EQ(plan.finish(), id);
  EXPECT_THAT(plan.too_large(id).message(), HasSubstr("xattr user.a: store in erofs: with"));
}

}  // namespace
}  // namespace ondemand::erofs
