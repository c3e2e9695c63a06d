// SPDX-License-Identifier: Apache-2.0
//
// Trees written and read back by our own reader, checker and comparison.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "erofs/bootstrap_check.h"
#include "erofs/chunk_layout.h"
#include "erofs/describe.h"
#include "erofs/layout.h"
#include "erofs/tree_compare.h"
#include "unit/erofs/sample_tree.h"
#include "unit/erofs/test_tree.h"

namespace ondemand::erofs {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Writes, checks and compares; gives the image for more.
TestImage round_trip(const tree::Tree& tree, const BootstrapOptions& options = {}) {
  TestImage image = make_image(tree, options);
  const BootstrapReader reader = image.reader();
  EXPECT_THAT(check_bootstrap(reader).problems, IsEmpty());
  EXPECT_EQ(error_of([&] { compare_with_tree(reader, tree); }), "");
  EXPECT_EQ(image.bytes.size() % 4096, 0u);
  return image;
}

TEST(Bootstrap, OfAnEmptyRootIsOneBlock) {
  TestTree tree;
  const TestImage image = round_trip(tree.finish());
  EXPECT_EQ(image.bytes.size(), 4096u);
  const BootstrapReader reader = image.reader();
  EXPECT_EQ(reader.superblock().feature_compat, 0x3u);
  EXPECT_EQ(reader.superblock().feature_incompat, 0u);
  EXPECT_EQ(reader.root().value, 1152u / 32);
  EXPECT_EQ(image.result.inodes, 1u);
  EXPECT_EQ(image.result.compact_inodes, 1u);
}

TEST(Bootstrap, HoldsEveryKindOfInode) {
  SampleTree sample;
  const TestImage image = round_trip(sample.tree.finish(), sample.options);
  const BootstrapReader reader = image.reader();
  EXPECT_EQ(reader.superblock().feature_incompat, 0xCu);
  EXPECT_EQ(reader.superblock().feature_compat, 0x7u);
  ASSERT_EQ(reader.devices().size(), 2u);
  EXPECT_EQ(reader.devices()[0].tag, std::string(64, 'a'));
  EXPECT_EQ(reader.devices()[0].uniaddr, image.bytes.size() / 4096);
  EXPECT_EQ(reader.devices()[1].uniaddr, image.bytes.size() / 4096 + reader.devices()[0].nblocks);
  EXPECT_EQ(util::as_text(image.bytes).substr(0, 13), std::string("boot text\n\0\0\0", 13));
}

TEST(Bootstrap, IsTheSameEveryTime) {
  SampleTree first;
  SampleTree second;
  const TestImage a = make_image(first.tree.finish(), first.options);
  const TestImage b = make_image(second.tree.finish(), second.options);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(a.result.uuid, b.result.uuid);
  EXPECT_EQ(a.result.uuid[6] >> 4, 8);
  EXPECT_EQ(a.result.uuid[8] >> 6, 2);
  second.tree.at("etc").uid = 1;
  EXPECT_NE(make_image(second.tree.finish(), second.options).result.uuid, a.result.uuid);
}

TEST(Bootstrap, TakesTheUuidThatItIsGiven) {
  TestTree tree;
  BootstrapOptions options;
  options.uuid = Uuid{1, 2, 3};
  EXPECT_EQ(make_image(tree.finish(), options).reader().superblock().uuid[2], 3);
}

TEST(Bootstrap, CompactInodesAreThoseWithTheCommonestMtime) {
  TestTree tree;
  for (const char* name : {"a", "b", "c"})
    tree.file(name).mtime = {-5, 7};
  tree.file("d").mtime = {-5, 8};
  tree.file("e").uid = 65536;
  tree.at("").mtime = {-5, 7};
  const TestImage image = round_trip(tree.finish());
  const BootstrapReader reader = image.reader();
  EXPECT_EQ(image.result.compact_inodes, 4u);
  EXPECT_FALSE(reader.inode(*reader.lookup("d")).is_compact);
  EXPECT_EQ(static_cast<std::int64_t>(std::uint64_t{reader.superblock().epoch}), -5);
}

TEST(Bootstrap, HoldsDirectoriesOfEverySizeAroundBlockBoundaries) {
  TestTree tree;
  tree.directory("d");
  // The last block of each directory uses from next to nothing to all of a block.
  for (int count = 0; count < 34; ++count) {
    const std::string dir = util::concat("d/", count);
    tree.directory(dir);
    for (int i = 0; i < count; ++i)
      tree.file(util::concat(dir, "/", std::string(240, 'n'), 100 + i));
  }
  for (std::size_t len = 1; len <= 255; ++len) {
    const std::string dir = util::concat("d/len", len);
    tree.directory(dir);
    for (char c = 'a'; c < 'a' + 15; ++c)
      tree.file(dir + "/" + std::string(255, c));
    tree.file(dir + "/" + std::string(len, 'z'));
  }
  round_trip(tree.finish());
}

TEST(Bootstrap, PlacesInlineDataOfEveryLengthAroundBlockBoundaries) {
  TestTree tree;
  for (const std::size_t len : std::initializer_list<std::size_t>{
           1, 31, 32, 33, 3900, 3967, 3968, 3969, 4031, 4032, 4033, 4063, 4064, 4065, 4094, 4095}) {
    tree.symlink(util::concat("s", len), std::string(len, 's'));
    tree.inline_file(util::concat("f", len), std::string(len, 'f')).mtime = {1, 2};
    tree.inline_file(util::concat("g", len), std::string(len + 4096, 'g'));
  }
  tree.inline_file("whole", std::string(8192, 'w'));
  const TestImage image = round_trip(tree.finish());
  const BootstrapReader reader = image.reader();
  const auto layout_of = [&](const char* path) {
    return reader.inode(*reader.lookup(path)).layout;
  };
  EXPECT_EQ(layout_of("s4064"), ondisk::ErofsLayout::kFlatInline);
  EXPECT_EQ(layout_of("s4065"), ondisk::ErofsLayout::kFlatPlain);
  EXPECT_EQ(layout_of("f4032"), ondisk::ErofsLayout::kFlatInline);
  EXPECT_EQ(layout_of("f4033"), ondisk::ErofsLayout::kFlatPlain);
  EXPECT_EQ(layout_of("whole"), ondisk::ErofsLayout::kFlatPlain);
}

TEST(Bootstrap, HoldsManyXattrs) {
  TestTree tree;
  tree::XattrSet many;
  for (int i = 0; i < 300; ++i)
    many.push_back({util::concat("user.n", i), std::string(20, 'v')});
  for (const char* name : {"a", "b", "c"})
    TestTree::set_xattrs(tree.file(name), many);
  TestTree::set_xattrs(tree.file("big"),
                       {{"user.big", std::string(65535, 'x')}, {"user.empty", ""}});
  TestTree::set_xattrs(tree.symlink("link", "big"), {{"trusted.t", "v"}});
  for (int i = 0; i < 100; ++i)
    TestTree::set_xattrs(tree.file(util::concat("f", i)),
                         {{"security.selinux", "system_u:object_r:usr_t:s0"}});
  round_trip(tree.finish());
}

TEST(Bootstrap, HoldsTwentyThousandFilesInOneDirectory) {
  TestTree tree;
  tree.directory("d");
  for (int i = 0; i < 20'000; ++i)
    tree.file(util::concat("d/file-", i));
  const TestImage image = round_trip(tree.finish());
  EXPECT_EQ(image.result.inodes, 20'002u);
  EXPECT_LT(image.bytes.size(), 20'002u * 60);
}

TEST(Bootstrap, HoldsMoreThanSixtyFiveThousandLinks) {
  TestTree tree;
  tree.file("f");
  tree.directory("d");
  for (int i = 0; i < 70'000; ++i)
    tree.hard_link(util::concat("d/", i), "f");
  const TestImage image = round_trip(tree.finish());
  const BootstrapReader reader = image.reader();
  EXPECT_EQ(reader.inode(*reader.lookup("f")).nlink, 70'001u);
  EXPECT_EQ(reader.lookup("f"), reader.lookup("/d/69999"));
}

TEST(Bootstrap, RootNidFitsBehindAVeryLongDeviceTable) {
  TestTree tree;
  tree.file("f", 1, {extent(0, 1, 0, 40000)});
  BootstrapOptions options;
  options.devices.assign(40000, blob_device(1));
  const TestImage image = round_trip(tree.finish(), options);
  EXPECT_NE(image.reader().superblock().meta_blkaddr, 0u);
}

TEST(Bootstrap, LeavesOutInodesWithoutName) {
  TestTree tree;
  tree.file("f");
  tree::Tree& finished = tree.finish();
  finished.inodes.push_back(tree::Inode());
  EXPECT_EQ(round_trip(finished).result.inodes, 2u);
}

TEST(Bootstrap, FilesOnOneDeviceNeedAboutOneSlotMoreThanTheirInode) {
  TestTree tree;
  for (std::uint32_t i = 0; i < 1000; ++i)
    tree.file(util::concat("f", i), 5000, {extent(0, 2, 2 * i, 1)}).mtime.sec = i;
  BootstrapOptions options;
  options.devices.push_back(blob_device(2000));
  EXPECT_LE(round_trip(tree.finish(), options).bytes.size() / 1000, 96u + 12 + 4 + 10);
}

std::string write_error(TestTree& tree, const BootstrapOptions& options = {}) {
  return error_of([&] { make_image(tree.finish(), options); });
}

TEST(BootstrapLimits, NameThePathOfWhatDoesNotFit) {
  TestTree tree;
  tree.directory("d");
  tree.directory("d/e");
  tree.file("d/e/" + std::string(256, 'n'));
  EXPECT_THAT(write_error(tree), HasSubstr("too-large: /d/e/nnn"));

  TestTree xattr;
  TestTree::set_xattrs(xattr.file("x\n"), {{"system.other", "v"}});
  EXPECT_THAT(write_error(xattr), HasSubstr("unsupported: /x\\x0a: xattr system.other"));

  // How much all need together is known only when the paths are behind us.
  tree::XattrSet large;
  for (char c = 'a'; c < 'g'; ++c)
    large.push_back({std::string("user.") + c, std::string(60000, c)});
  TestTree many;
  many.directory("d");
  TestTree::set_xattrs(many.file("d/fits"), {{"user.a", "v"}});
  TestTree::set_xattrs(many.file("d/large"), large);
  EXPECT_THAT(write_error(many), HasSubstr("too-large: /d/large: xattr user.a: store in erofs: "));
  TestTree root;
  TestTree::set_xattrs(root.at(""), large);
  EXPECT_THAT(write_error(root), HasSubstr("too-large: /: xattr user.a: store in erofs: "));

  TestTree link;
  link.symlink("l", "");
  EXPECT_THAT(write_error(link), HasSubstr("unsupported: /l:"));
  TestTree nul;
  nul.symlink("l", std::string("a\0b", 3));
  EXPECT_THAT(write_error(nul), HasSubstr("unsupported: /l:"));
  TestTree long_link;
  long_link.symlink("l", std::string(4096, 'a'));
  EXPECT_THAT(write_error(long_link), HasSubstr("too-large: /l:"));

  TestTree device;
  device.special("dev", tree::FileType::kCharDevice, 4096, 0);
  EXPECT_THAT(write_error(device), HasSubstr("unsupported: /dev:"));
  EXPECT_THAT(write_error(device), HasSubstr("4096:0: Linux has no such numbers"));
  TestTree dots;
  dots.file("..");
  EXPECT_THAT(write_error(dots), HasSubstr("unsupported: /..:"));
}

// Each of them needs as many entries as a file may, all of them a thousand times their archive.
TEST(BootstrapLimits, HoldForAllSparseFilesTogether) {
  TestTree tree;
  const std::uint64_t blocks = kMaxChunkEntries;
  for (char name = 'a'; name <= 'i'; ++name)
    tree.file(std::string(1, name), blocks * 4096, {extent(1, 1, 0, 1)});
  EXPECT_THAT(write_error(tree),
              HasSubstr("too-large: /i: plan chunks: this file and those before need 150994944"));
}

TEST(BootstrapLimits, TreesThatAreNoneAreOurOwnBugs) {
  TestTree twice;
  twice.directory("a");
  twice.hard_link("b", "a");
  EXPECT_THAT(write_error(twice), HasSubstr("internal: /b:"));
  TestTree cycle;
  cycle.directory("a");
  cycle.hard_link("a/b", "");
  EXPECT_THAT(write_error(cycle), HasSubstr("internal: /a/b:"));
  TestTree outside;
  outside.file("f", 4096, {extent(0, 1, 5, 1)});
  BootstrapOptions options;
  options.devices.push_back(blob_device(5));
  EXPECT_THAT(write_error(outside, options), HasSubstr("internal"));
  EXPECT_THAT(write_error(outside), HasSubstr("internal"));
}

TEST(BootstrapLimits, OfTheOptions) {
  TestTree tree;
  BootstrapOptions options;
  options.boot_text.assign(1025, 'x');
  EXPECT_THAT(write_error(tree, options), HasSubstr("too-large: boot text"));
  options.boot_text.clear();
  options.devices.push_back(blob_device(0xFFFFFFFF));
  EXPECT_THAT(write_error(tree, options), HasSubstr("too-large: device"));
  options.devices[0].nblocks = 1;
  options.devices[0].tag.push_back('x');
  EXPECT_THAT(write_error(tree, options), HasSubstr("too-large"));
}

TEST(TreeCompare, FindsADifferenceInEveryField) {
  const auto difference = [](auto change) {
    SampleTree sample;
    const TestImage image = make_image(sample.tree.finish(), sample.options);
    change(sample.tree);
    const BootstrapReader reader = image.reader();
    return error_of([&] { compare_with_tree(reader, sample.tree.raw()); });
  };
  EXPECT_EQ(difference([](TestTree&) {}), "");
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/passwd").uid++; }),
              HasSubstr("internal: /: third: "));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc").gid++; }), HasSubstr("gid"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/passwd").permissions ^= 04000; }),
              HasSubstr("mode"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/passwd").mtime.nsec ^= 1; }),
              HasSubstr("mtime"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/passwd").size++; }), HasSubstr("size"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/passwd").nlink++; }), HasSubstr("link count"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/passwd").xattrs = nullptr; }),
              HasSubstr("xattrs"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/passwd").extents[0].start.value++; }),
              HasSubstr("place"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc/link").inline_data = "x"; }),
              HasSubstr("target"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("dev/null").rdev_minor++; }),
              HasSubstr("device number"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("small").inline_data[0]++; }), HasSubstr("data"));
  EXPECT_THAT(difference([](TestTree& t) { t.file("etc/zz"); }), HasSubstr("names"));
  EXPECT_THAT(difference([](TestTree& t) { t.at("etc").children->erase("passwd"); }),
              HasSubstr("names"));
}

TEST(Describe, GivesEveryFieldByItsName) {
  SampleTree sample;
  const TestImage image = make_image(sample.tree.finish(), sample.options);
  const BootstrapReader reader = image.reader();
  const auto value = [](const Fields& fields, std::string_view name) -> std::string {
    for (const Field& field : fields)
      if (field.name == name) return field.value;
    return "(none)";
  };
  const Fields super = describe_superblock(reader);
  EXPECT_EQ(value(super, "magic"), "0xe0f5e1e2");
  EXPECT_EQ(value(super, "checksum_state"), "right");
  EXPECT_EQ(value(super, "feature_incompat_names"), "CHUNKED_FILE DEVICE_TABLE");
  EXPECT_EQ(value(super, "extra_devices"), "2");
  EXPECT_EQ(value(super, "uuid").size(), 36u);
  EXPECT_EQ(value(describe_device(reader, 1), "tag"), std::string(64, 'b'));
  const Fields summary = describe_summary(reader);
  EXPECT_EQ(value(summary, "inodes"), util::concat(image.result.inodes));
  EXPECT_EQ(value(summary, "inodes_compact"), util::concat(image.result.compact_inodes));
  const InodeInfo passwd = reader.inode(*reader.lookup("/etc/passwd"));
  EXPECT_EQ(value(describe_inode(reader, passwd), "permissions"), "4755");
  EXPECT_EQ(value(describe_inode(reader, passwd), "i_uid"), "4294967295");
  const std::vector<Fields> extents =
      describe_extents(reader, reader.inode(*reader.lookup("/holes")));
  ASSERT_EQ(extents.size(), 4u);
  EXPECT_EQ(value(extents[0], "kind"), "hole");
  EXPECT_EQ(value(extents[1], "device_id"), "1");
}

}  // namespace
}  // namespace ondemand::erofs
