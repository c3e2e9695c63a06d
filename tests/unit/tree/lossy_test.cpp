// SPDX-License-Identifier: Apache-2.0
// What is dropped instead of refused.
#include <gmock/gmock.h>

#include <algorithm>

#include "unit/tree/tree_text.h"

namespace ondemand::tree {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "!name" is an entry that the caller drops, "!name/" a directory, "!name/=" an opaque one,
// "!name%" a character device 0:0.
std::vector<std::string> merged_lossy(const std::vector<Layer>& layers,
                                      std::vector<std::string>& dropped,
                                      WhiteoutStyle style = WhiteoutStyle::kOci) {
  TreeBuilder builder(style);
  builder.set_lossy();
  builder.on_drop([&](const std::string& path, const std::string& what) {
    dropped.push_back(path.substr(0, 20) + ": " + what);
  });
  for (const Layer& layer : layers) {
    builder.begin_layer();
    for (const std::string& text : layer) {
      if (!text.starts_with('!')) {
        builder.add(parse_entry(text));
        continue;
      }
      tar::Entry entry;
      entry.path = text.substr(1, text.find_first_of("=%") - 1);
      if (text.ends_with('%')) entry.type = tar::EntryType::kCharDevice;
      if (entry.path.ends_with('/')) entry.type = tar::EntryType::kDirectory;
      if (text.ends_with('=')) entry.xattrs = {{"trusted.overlay.opaque", "y"}};
      const bool is_kept = builder.drop(entry);
      if (is_kept) dropped.push_back(entry.path + " kept");
    }
    builder.end_layer();
  }
  return show(builder.finish());
}

TEST(MergeLossy, NamesThatAreTooLongGoWithWhatIsInThemOrLinksToThem) {
  const std::string name(256, 'n');
  EXPECT_THAT(refusal({{"f " + name + " 1"}}), HasSubstr("longer than 255 bytes"));
  std::vector<std::string> dropped;
  EXPECT_THAT(merged_lossy({{"d " + name + " 1", "f " + name + "/x 1", "f a 1", "l b " + name,
                             "s s " + name, "f s/x 1", "l c b"}},
                           dropped),
              ElementsAre("a 1", "s 0 -> " + name));
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("nnnn: dropped"), HasSubstr("nnnn: dropped"),
                                   HasSubstr("b: dropped"), HasSubstr("s/x: dropped"),
                                   HasSubstr("c: dropped with the entry: hard link to b")));
}

TEST(MergeLossy, WhatIsDroppedHidesAndIsNoTarget) {
  const Layer lower{"f d/x 1", "f kept 1"};
  Layer upper{"!a", "l b a", "l c b", "!d", "f kept 2"};
  std::sort(upper.begin(), upper.end());
  do {
    std::vector<std::string> dropped;
    EXPECT_THAT(merged_lossy({lower, upper}, dropped), ElementsAre("kept 2"));
    EXPECT_EQ(dropped.size(), 2u) << testing::PrintToString(upper);
  } while (std::next_permutation(upper.begin(), upper.end()));
  std::vector<std::string> dropped;
  EXPECT_THAT(merged_lossy({{"f a 1"}, {"l b a", "!a", "l c a", "l e b"}}, dropped),
              ElementsAre("b 1", "e 1 =b"));  // b comes before what its target became
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("c: dropped")));
  dropped.clear();
  EXPECT_THAT(merged_lossy({{"!a"}, {"l b a", "f a 2", "l c a"}}, dropped),
              ElementsAre("a 2", "c 2 =a"));
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("b: dropped")));
  dropped.clear();
  EXPECT_THAT(merged_lossy({lower, {"!d", "f d/y 2", "!a", "f a 2"}}, dropped),
              ElementsAre("a 2", "kept 1"));
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("d/y: dropped with the entry: d")));
  EXPECT_THAT(merged_lossy({lower, {"f a 2", "!a", "!.wh.kept", "!./"}}, dropped),
              ElementsAre("d/ 0", "d/x 1"));
}

TEST(MergeLossy, WhatIsDroppedStaysSoInLaterLayers) {
  std::vector<std::string> dropped;
  EXPECT_THAT(merged_lossy({{"!secret/", "!file", "f a 1"},
                            {"f secret/key 2", "d secret/sub 2", "l m file", "l n secret/old",
                             "s s /secret", "f s/x 2", "d file/d 2"},
                            {"f secret/key 3"}},
                           dropped),
              ElementsAre("a 1", "s 0 -> /secret"));
  EXPECT_THAT(dropped, testing::UnorderedElementsAre(
                           HasSubstr("secret/key: dropped with the entry: "),
                           HasSubstr("secret/sub: dropped"), HasSubstr("m: dropped"),
                           HasSubstr("n: dropped"), HasSubstr("s/x: dropped"),
                           HasSubstr("file/d: dropped"), HasSubstr("secret/key: dropped")));
}

TEST(MergeLossy, LaterEntriesAndWhiteoutsGiveADroppedNameBack) {
  std::vector<std::string> dropped;
  const Layer below{"d d 1", "!d/secret/", "!d/file"};
  EXPECT_THAT(merged_lossy({below, {"d d/secret 2", "f d/secret/key 2", "f d/file 2"}}, dropped),
              ElementsAre("d/ 1", "d/file 2", "d/secret/ 2", "d/secret/key 2"));
  EXPECT_THAT(merged_lossy({below, {"f d/.wh.secret 0"}, {"f d/secret/key 3"}}, dropped),
              ElementsAre("d/ 1", "d/secret/ 0", "d/secret/key 3"));
  EXPECT_THAT(merged_lossy({below, {"f d/.wh.secret 0", "f d/secret/key 3"}}, dropped),
              ElementsAre("d/ 1", "d/secret/ 0", "d/secret/key 3"));
  EXPECT_THAT(merged_lossy({below, {"f d/.wh..wh..opq 0", "f d/secret/key 3"}}, dropped),
              ElementsAre("d/ 1", "d/secret/ 0", "d/secret/key 3"));
  EXPECT_THAT(merged_lossy({below, {"f .wh.d 0"}, {"f d/secret/key 3"}}, dropped),
              ElementsAre("d/ 0", "d/secret/ 0", "d/secret/key 3"));
  EXPECT_THAT(dropped, IsEmpty());
}

TEST(MergeLossy, ADirectoryThatIsThereKeepsItsMetadataAndItsFiles) {
  const Layer lower{"d usr 1", "f usr/a 1", "f usr/b 1"};
  std::vector<std::string> dropped;
  for (const Layer& upper : {Layer{"!usr/", "f usr/c 2"}, Layer{"f usr/c 2", "!usr/"}})
    EXPECT_THAT(merged_lossy({lower, upper}, dropped),
                ElementsAre("usr/ 1", "usr/a 1", "usr/b 1", "usr/c 2"));
  EXPECT_THAT(merged_lossy({{"d usr 1", "f usr/a 1", "!usr/"}}, dropped),
              ElementsAre("usr/ 1", "usr/a 1"));
  EXPECT_THAT(
      merged_lossy({{"f usr/a 1"}, {"!usr/=", "f usr/c 2"}}, dropped, WhiteoutStyle::kOverlay),
      ElementsAre("usr/ 0", "usr/c 2"));
  EXPECT_THAT(
      merged_lossy({{"d d 1", "f d/.wh.x 0"}, {"f d/.wh..wh..opq 0", "!d/", "!./"}}, dropped),
      ElementsAre("d/ 1"));
  EXPECT_THAT(dropped, ElementsAre("usr/ kept", "usr/ kept", "usr/ kept", "usr/ kept", "d/ kept",
                                   "./ kept"));
}

TEST(MergeLossy, WhatGoesWithADirectoryIsTold) {
  std::vector<std::string> dropped;
  EXPECT_THAT(merged_lossy({{"f usr/a 1", "f usr/d/b 1", "!usr/", "f kept 1"}}, dropped),
              ElementsAre("kept 1"));
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("usr/a: dropped with the entry: lies in usr, which"),
                                   HasSubstr("usr/d: dropped"), HasSubstr("usr/d/b: dropped")));
  // The directory that it was to keep the metadata of is hidden by a marker behind it.
  for (const char* marker : {"f d/.wh.usr 0", "f .wh.d 0", "f d/.wh..wh..opq 0"}) {
    dropped.clear();
    EXPECT_THAT(merged_lossy({{"d d 1", "d d/usr 1", "f kept 1"},
                              {"!d/usr/", "f d/usr/a 1", marker},
                              {"f d/usr/b 1"}},
                             dropped),
                testing::AnyOf(ElementsAre("d/ 0", "kept 1"), ElementsAre("d/ 1", "kept 1")))
        << marker;
    EXPECT_THAT(dropped, ElementsAre("d/usr/ kept", HasSubstr("d/usr: dropped"),
                                     HasSubstr("d/usr/a: dropped"), HasSubstr("d/usr/b: dropped")));
  }
}

TEST(MergeLossy, ADroppedOpaqueRootHidesAllBelow) {
  const Layer lower{"f a 1", "f d/x 1"};
  std::vector<std::string> dropped;
  for (const Layer& upper : {Layer{"!./=", "f d/y 2"}, Layer{"f d/y 2", "!./="}})
    EXPECT_THAT(merged_lossy({lower, upper}, dropped, WhiteoutStyle::kOverlay),
                ElementsAre("d/ 0", "d/y 2"));
  EXPECT_THAT(merged_lossy({lower, {"!./", "f b 2"}}, dropped, WhiteoutStyle::kOverlay),
              ElementsAre("a 1", "b 2", "d/ 0", "d/x 1"));
  EXPECT_THAT(dropped, ElementsAre("./ kept", "./ kept", "./ kept"));
}

TEST(MergeLossy, ADroppedWhiteoutStaysOneAndEndsItsLayer) {
  const Layer lower{"d d 1", "f d/x 1", "f a 1"};
  std::vector<std::string> dropped;
  EXPECT_THAT(
      merged_lossy({lower, {"!d%", "l a d"}, {"f d/y 3"}}, dropped, WhiteoutStyle::kOverlay),
      ElementsAre("d/ 0", "d/y 3"));
  EXPECT_THAT(
      merged_lossy({{"!d/", "f a 1"}, {"!d%"}, {"f d/y 3"}}, dropped, WhiteoutStyle::kOverlay),
      ElementsAre("a 1", "d/ 0", "d/y 3"));
  EXPECT_THAT(dropped, IsEmpty());
  // No whiteout in an image of OCI.
  EXPECT_THAT(merged_lossy({lower, {"!d%"}, {"f d/y 3"}}, dropped), ElementsAre("a 1"));
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("d/y: dropped with the entry")));
}

TEST(MergeLossy, TheOrderOfALayerDecidesWhatDependsOnALaterEntry) {
  std::vector<std::string> dropped;
  // What comes before the marker or the entry that ends a dropped name goes.
  EXPECT_THAT(merged_lossy({{"!d/"}, {"f d/g 2", "f .wh.d 0"}}, dropped), IsEmpty());
  EXPECT_THAT(merged_lossy({{"!d/"}, {"f .wh.d 0", "f d/g 2"}}, dropped),
              ElementsAre("d/ 0", "d/g 2"));
  EXPECT_THAT(merged_lossy({{"!d/"}, {"f d/g 2", "d d 2"}}, dropped), ElementsAre("d/ 2"));
  // A hard link that comes before what drops its target is a name of the file by itself.
  EXPECT_THAT(merged_lossy({{"f d/g 1", "l z d/g", "!d/", "l y d/g"}}, dropped),
              ElementsAre("z 1"));
  EXPECT_THAT(merged_lossy({{"d d 1"}, {"!d/", "f d/g 2", "l z d/g", "f .wh.d 0"}}, dropped),
              ElementsAre("z 2"));
}

TEST(MergeLossy, NestedDirectoryEntriesDoNotMakePathsThatNothingOpens) {
  std::string deep;
  for (int i = 0; i < 15; ++i)
    deep += std::string(200, 'n') + "/";  // 3,014 bytes
  Layer layer{"d " + deep, "s l " + deep, "f kept 1"};
  std::string path = "l";
  for (int i = 0; i < 8; ++i)
    layer.push_back("d " + (path += "/" + std::string(200, 'm')) + " 1");
  EXPECT_THAT(refusal({layer}), HasSubstr("longer than 4095 bytes"));
  std::vector<std::string> dropped;
  EXPECT_EQ(merged_lossy({layer}, dropped).size(), 15u + 2u + 5u);
  EXPECT_EQ(dropped.size(), 3u);

  // As deep as a path of short names can be, and as deep again behind a symbolic link.
  std::string names = "a";
  layer = {};
  for (int i = 1; i < 2040; ++i)
    names += "/a";
  layer = {"d " + names + " 1", "s l " + names};
  path = "l";
  for (int i = 0; i < 2040; ++i)
    layer.push_back("d " + (path += "/b") + " 1");
  EXPECT_THAT(refusal({layer}), HasSubstr("longer than 4095 bytes"));
  dropped.clear();
  EXPECT_EQ(merged_lossy({layer}, dropped).size(), 2040u + 1u + 8u);
  EXPECT_EQ(dropped.size(), 2032u);
  layer.resize(2 + 8);  // 2,048 names
  EXPECT_EQ(merged({layer}).size(), 2040u + 1u + 8u);
}

TEST(MergeLossy, SymlinksDoNotMakePathsThatNothingOpens) {
  std::string deep;
  for (int i = 0; i < 15; ++i)
    deep += std::string(255, 'n') + "/";  // 3,840 bytes
  const std::string name(255, 'm');       // the path to it has 4,095
  EXPECT_EQ(build({{"d " + deep, "s l " + deep, "f l/" + name + " 1", "d l/" + name + " 1"}})
                .inodes[kRootInode]
                .children->size(),
            2u);
  for (const std::string& entry : {"f l/" + name + "/x 1", "d l/" + name + "/x 1",
                                   "l l/" + name + "/x y", "d l/" + name + "/x/y 1"}) {
    EXPECT_THAT(refusal({{"d " + deep, "s l " + deep, "f y 1", entry}}),
                HasSubstr("longer than 4095 bytes"))
        << entry;
  }
  std::vector<std::string> dropped;
  EXPECT_EQ(
      merged_lossy({{"d " + deep, "s l " + deep, "f l/" + name + "/x 1", "f y 1"}}, dropped).size(),
      18u);
  EXPECT_THAT(dropped, ElementsAre(HasSubstr("dropped with the entry: ")));
}

}  // namespace
}  // namespace ondemand::tree
