// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <algorithm>

#include "unit/tree/tree_text.h"
#include "util/error.h"

namespace ondemand::tree {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The merge must not depend on the order of the upper layer's entries.
void expect_in_any_order(const Layer& lower, Layer upper, const std::vector<std::string>& want) {
  std::sort(upper.begin(), upper.end());
  do {
    ASSERT_EQ(merged({lower, upper}), want) << testing::PrintToString(upper);
  } while (std::next_permutation(upper.begin(), upper.end()));
}

TEST(Merge, WhiteoutsTouchLowerLayersOnly) {
  expect_in_any_order({"d a 1", "f a/x 1", "f a/y 1", "f b 1"},
                      {"f a/.wh.x 0", "f a/x 2", "f .wh.b 0", "f c 2", "f .wh.c 0"},
                      {"a/ 1", "a/x 2", "a/y 1", "c 2"});
}

TEST(Merge, OpaqueMarkersTouchLowerLayersOnly) {
  expect_in_any_order({"d a 1", "f a/x 1", "d a/d 1", "f a/d/z 1"},
                      {"d a 2", "f a/.wh..wh..opq 0", "f a/new 2", "d a/d 2"},
                      {"a/ 2", "a/d/ 2", "a/new 2"});
  // Without an entry for the directory, its lower metadata stays.
  expect_in_any_order({"d a 1", "f a/x 1"}, {"f a/.wh..wh..opq 0", "f a/y 2"}, {"a/ 1", "a/y 2"});
  EXPECT_THAT(merged({{"f x 1"}, {"f .wh..wh..opq 0"}}), IsEmpty());
}

TEST(Merge, AWhiteoutBesideItsDirectoryMakesThatOpaque) {
  expect_in_any_order({"d a 1", "f a/x 1"}, {"f .wh.a 0", "d a 2", "f a/y 2"}, {"a/ 2", "a/y 2"});
}

TEST(Merge, ImplicitParentsKeepTheLowerMetadata) {
  expect_in_any_order({"d usr 5", "d usr/bin 6"}, {"f usr/bin/x 2", "f usr/bin/y 2"},
                      {"usr/ 5", "usr/bin/ 6", "usr/bin/x 2", "usr/bin/y 2"});
  const Tree tree = build({{"f a/b/c 1"}});
  EXPECT_EQ(at(tree, "a/b").permissions, 0755);
  EXPECT_EQ(at(tree, "a/b").mtime, util::Timestamp{});
  EXPECT_EQ(tree.inodes[kRootInode].permissions, 0755);
}

TEST(Merge, AnEntryOfADirectoryReplacesItsMetadataAndKeepsItsChildren) {
  expect_in_any_order({"d a 1", "f a/x 1"}, {"d a 2", "f a/y 2"}, {"a/ 2", "a/x 1", "a/y 2"});
  const Tree tree = build({{"d ./ 1", "f a 1"}, {"d / 9"}});
  EXPECT_EQ(tree.inodes[kRootInode].uid, 9u);
  EXPECT_EQ(tree.inodes[kRootInode].permissions, 0640);
}

TEST(Merge, FilesAndDirectoriesReplaceEachOther) {
  EXPECT_THAT(merged({{"d a 1", "d a/b 1", "f a/b/c 1"}, {"f a 2"}}), ElementsAre("a 2"));
  EXPECT_THAT(merged({{"f a 1"}, {"d a 2", "f a/x 2"}}), ElementsAre("a/ 2", "a/x 2"));
  EXPECT_THAT(merged({{"s a /etc"}, {"f a/x 2"}}), ElementsAre("a/ 0", "a/x 2"));
  EXPECT_THAT(merged({{"d a 1", "f a/b 1"}, {"f a 2"}, {"d a 3"}}), ElementsAre("a/ 3"));
}

TEST(Merge, TheLastEntryOfALayerWins) {
  EXPECT_THAT(merged({{"f a 1", "f a 2"}}), ElementsAre("a 2"));
  EXPECT_THAT(merged({{"d a 1", "f a/x 1", "d ./a/ 2"}}), ElementsAre("a/ 2", "a/x 1"));
  EXPECT_THAT(merged({{"d a 1", "f a/x 1", "f a 2"}}), ElementsAre("a 2"));
  EXPECT_THAT(merged({{"d a 1", "f a/x 1", "f a 2", "d a 3", "f a/y 3"}}),
              ElementsAre("a/ 3", "a/y 3"));
}

TEST(Merge, SymlinksOfTheSameLayerLeadToTheDirectoryOfAnEntry) {
  EXPECT_THAT(merged({{"d usr/lib 1", "s lib usr/lib", "f lib/foo 2"}}),
              ElementsAre("lib 0 -> usr/lib", "usr/ 0", "usr/lib/ 1", "usr/lib/foo 2"));
  EXPECT_THAT(merged({{"s a/lib ../../../b/./lib/", "f a/lib/x/foo 2"}}),
              ElementsAre("a/ 0", "a/lib 0 -> ../../../b/./lib/", "b/ 0", "b/lib/ 0", "b/lib/x/ 0",
                          "b/lib/x/foo 2"))
      << "a target that is missing, \"..\" above the root";
  EXPECT_THAT(merged({{"s a/l /b", "s b/m ..", "f a/l/m/foo 2", "l bar a/l/m/foo"}}),
              ElementsAre("a/ 0", "a/l 0 -> /b", "b/ 0", "b/m 0 -> ..", "bar 2", "foo 2 =bar"));
  EXPECT_THAT(merged({{"f b/x 1"}, {"s a b", "f a/y 2", "f a/.wh.x 0"}}),
              ElementsAre("a 0 -> b", "b/ 0", "b/y 2"));
  // What led to a directory a moment ago leads elsewhere now.
  EXPECT_THAT(merged({{"s l a", "f l/x 1", "s l b", "f l/x 2"}}),
              ElementsAre("a/ 0", "a/x 1", "b/ 0", "b/x 2", "l 0 -> b"));
  EXPECT_THAT(merged({{"s l a", "f l/x 1", "d l 2", "f l/x 2"}}),
              ElementsAre("a/ 0", "a/x 1", "l/ 2", "l/x 2"));
}

TEST(Merge, OtherFilesOfTheSameLayerAreNoParents) {
  EXPECT_THAT(refusal({{"f a/b/c 1", "f a 2", "f a/b/d 3"}}),
              HasSubstr("parent a is not a directory"));
  EXPECT_THAT(refusal({{"s s a", "f a 2", "f s/d 3"}}), HasSubstr("parent a is not a directory"));
  EXPECT_THAT(refusal({{"l a later", "f a/d 3"}}), HasSubstr("parent a is not a directory"));
  EXPECT_THAT(refusal({{"s a b", "s b a", "f a/d 3"}}), HasSubstr("loop of symbolic links"));
  EXPECT_THAT(refusal({{"s a " + std::string(256, 'n'), "f a/d 3"}}), HasSubstr("255 bytes"));
  EXPECT_THAT(merged({{"f a 1"}, {"f a/d 3"}}), ElementsAre("a/ 0", "a/d 3"));
}

TEST(Merge, SymlinksDoNotMakeTreesOfAnyDepth) {
  std::string deep;
  for (int i = 0; i < 1500; ++i)
    deep += "d/";
  EXPECT_THAT(refusal({{"s l " + deep, "f l/x 1", "f l/" + deep + "x 1"}}), HasSubstr("too deep"));
}

TEST(Merge, AbsolutePathsAreTakenInsideOfTheRoot) {
  EXPECT_THAT(merged({{"d /etc 1", "f /etc/x 1", "f /etc/y 1"}, {"f /etc/.wh.y 2", "f etc/z 2"}}),
              ElementsAre("etc/ 1", "etc/x 1", "etc/z 2"));
}

TEST(Merge, WhiteoutsOfNothingAreHarmless) {
  EXPECT_THAT(merged({{"f .wh.x 0"}, {"f a/.wh.y 0"}, {}}), ElementsAre("a/ 0"));
}

TEST(Merge, WhiteoutsHoldThroughManyLayers) {
  std::vector<Layer> layers;
  for (unsigned i = 0; i < 60; ++i)
    layers.push_back({"f d/f" + std::to_string(i) + " 1",
                      "f d/.wh.f" + std::to_string(i == 0 ? 99 : i - 1) + " 0"});
  EXPECT_THAT(merged(layers), ElementsAre("d/ 0", "d/f59 1"));
}

TEST(Merge, AufsBookKeepingIsIgnored) {
  EXPECT_THAT(merged({{"d .wh..wh.plnk 1", "f .wh..wh.plnk/1.2 1", "f .wh..wh.aufs 1", "f a 1"}}),
              ElementsAre("a 1"));
}

TEST(Merge, BadNamesAreRefusedWithTheName) {
  EXPECT_THAT(refusal({{"f a/../b 1"}}), HasSubstr("a/../b"));
  EXPECT_THAT(refusal({{"f /../b 1"}}), HasSubstr("/../b"));
  EXPECT_THAT(refusal({{"f a/.wh. 1"}}), HasSubstr(".wh."));
  EXPECT_THAT(refusal({{"f .wh.a/b 1"}}), HasSubstr(".wh.a/b"));
  EXPECT_THAT(refusal({{"f ./ 1"}}), HasSubstr("root must be a directory"));
}

TEST(Merge, ZeroZeroDevicesAreDevicesUnlessAskedOtherwise) {
  EXPECT_THAT(merged({{"f a 1"}, {"c a 0"}}), ElementsAre("a 0 device"));
  EXPECT_THAT(merged({{"f a 1", "f b 1"}, {"c a 0", "f .wh.b 2"}}, WhiteoutStyle::kOverlay),
              ElementsAre(".wh.b 2", "b 1"));
}

TEST(Merge, HardLinksToOverlayWhiteoutsAreWhiteouts) {
  const Layer lower{"f a 1", "f b 1", "f d/c 1", "f d/e 1", "f kept 1"};
  Layer upper{"c a 0", "l b a", "l d/c b", "l d/e ./a"};
  std::sort(upper.begin(), upper.end());
  do {
    EXPECT_THAT(merged({lower, upper}, WhiteoutStyle::kOverlay), ElementsAre("d/ 0", "kept 1"))
        << testing::PrintToString(upper);
  } while (std::next_permutation(upper.begin(), upper.end()));
  // One that hides nothing is none the less no link to a file of the layer below.
  EXPECT_THAT(merged({{"f a 1"}, {"c a 0", "l new a"}}, WhiteoutStyle::kOverlay), IsEmpty());
  EXPECT_THAT(merged({{"f a 1"}, {"c a 0", "l b a"}}), ElementsAre("a 0 device", "b 0 device =a"));
}

TEST(Merge, OverlayWhiteoutsAreEntriesOfTheirPath) {
  const auto overlay = [](const Layer& upper) {
    return merged({{"f a/x 1", "f b 1"}, upper}, WhiteoutStyle::kOverlay);
  };
  EXPECT_THAT(overlay({"c b 0", "f b 2"}), ElementsAre("a/ 0", "a/x 1", "b 2"));
  EXPECT_THAT(overlay({"f b 2", "l c b", "c b 0"}), ElementsAre("a/ 0", "a/x 1", "c 2"));
  EXPECT_THAT(overlay({"d a 2", "f a/y 2", "c a 0"}), ElementsAre("b 1"));
  EXPECT_THAT(overlay({"c a 0", "d a 2"}), ElementsAre("a/ 2", "a/x 1", "b 1"));
  // As where a directory is implied: it comes in place of what the whiteout hides.
  EXPECT_THAT(overlay({"c a 0", "f a/y 2"}), ElementsAre("a/ 0", "a/y 2", "b 1"));
}

TEST(Merge, OverlayXattrsMarkOpaqueDirectoriesAndVanish) {
  TreeBuilder builder(WhiteoutStyle::kOverlay);
  builder.begin_layer();
  builder.add(parse_entry("f d/x 1"));
  builder.end_layer();
  builder.begin_layer();
  tar::Entry opaque = parse_entry("d d 2");
  opaque.xattrs = {{"trusted.overlay.opaque", "y"}, {"user.a", "b"}};
  builder.add(opaque);
  builder.add(parse_entry("f d/y 2"));
  builder.end_layer();
  const Tree tree = builder.finish();
  EXPECT_THAT(show(tree), ElementsAre("d/ 2", "d/y 2"));
  EXPECT_EQ(*at(tree, "d").xattrs, (XattrSet{{"user.a", "b"}}));

  TreeBuilder strict(WhiteoutStyle::kOverlay);
  strict.begin_layer();
  opaque.xattrs = {{"trusted.overlay.redirect", "/x"}};
  EXPECT_THROW(strict.add(opaque), util::Error);
}

TEST(Merge, MarksOfAnOverlayInsideOfAnOverlayLoseOneLevel) {
  TreeBuilder builder(WhiteoutStyle::kOverlay);
  std::vector<std::string> dropped;
  builder.on_drop([&](const std::string& path, const std::string& what) {
    dropped.push_back(path + ": " + what);
  });
  builder.begin_layer();
  builder.add(parse_entry("f d/x 1"));
  builder.end_layer();
  builder.begin_layer();
  tar::Entry nested = parse_entry("d d 2");
  nested.xattrs = {{"trusted.overlay.origin", "o"},
                   {"trusted.overlay.overlay.opaque", "y"},
                   {"trusted.overlay.overlay.overlay.redirect", "r"},
                   {"trusted.overlay.overlayish", "-"},
                   {"trusted.z", "z"},
                   {"user.overlay.overlay.whiteout", ""}};
  builder.add(nested);
  tar::Entry whiteout = parse_entry("f d/y 3");
  whiteout.xattrs = {{"user.overlay.overlay.whiteout", ""}};
  builder.add(whiteout);
  tar::Entry full = parse_entry("f full 3");
  full.size = 1;
  full.xattrs = {{"trusted.overlay.whiteout", ""}};
  builder.add(full);
  builder.end_layer();
  const Tree tree = builder.finish();
  EXPECT_THAT(show(tree), ElementsAre("d/ 2", "d/x 1", "d/y 3", "full 3"));
  EXPECT_EQ(*at(tree, "d").xattrs, (XattrSet{{"trusted.overlay.opaque", "y"},
                                             {"trusted.overlay.overlay.redirect", "r"},
                                             {"trusted.z", "z"},
                                             {"user.overlay.whiteout", ""}}));
  EXPECT_EQ(*at(tree, "d/y").xattrs, (XattrSet{{"user.overlay.whiteout", ""}}));
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("d: xattr trusted.overlay.origin: dropped"),
                                   HasSubstr("d: xattr trusted.overlay.overlayish: dropped"),
                                   HasSubstr("full: xattr trusted.overlay.whiteout: dropped")));
}

TEST(Merge, KeepsAllMetadataAndSharesEqualXattrs) {
  TreeBuilder builder;
  builder.begin_layer();
  tar::Entry entry = parse_entry("f a 4294967295");
  entry.permissions = 07777;
  entry.mtime = {-5, 999999999};
  entry.size = 1ull << 40;
  entry.xattrs = {{"security.capability", std::string("\1\0\2", 3)}, {"user.x", ""}};
  const InodeId id = builder.add(entry);
  ASSERT_NE(id, kNoData);
  builder.inode(id).extents = {{0, 1, {7}, {1}}};
  entry.path = "b";
  builder.add(entry);
  tar::Entry device = parse_entry("c dev 0");
  device.rdev_major = 4095;
  device.rdev_minor = 1048575;
  EXPECT_EQ(builder.add(device), kNoData);
  builder.end_layer();
  const Tree tree = builder.finish();
  const Inode& a = at(tree, "a");
  EXPECT_EQ(a.permissions, 07777);
  EXPECT_EQ(a.uid, 4294967295u);
  EXPECT_EQ(a.mtime, (util::Timestamp{-5, 999999999}));
  EXPECT_EQ(a.size, 1ull << 40);
  EXPECT_EQ(a.extents.size(), 1u);
  EXPECT_EQ(*a.xattrs, entry.xattrs);
  EXPECT_EQ(a.xattrs, at(tree, "b").xattrs);
  EXPECT_EQ(at(tree, "dev").rdev_minor, 1048575u);
}

}  // namespace
}  // namespace ondemand::tree
