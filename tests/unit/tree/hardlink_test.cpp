// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <algorithm>

#include "unit/tree/tree_text.h"
#include "util/error.h"

namespace ondemand::tree {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::vector<Layer>& layers) {
  try {
    build(layers);
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kCorrupt);
    return error.message();
  }
  return "none";
}

TEST(HardLink, MayStandBeforeOrBehindItsTargetAndInChains) {
  Layer layer{"f a 1", "l b a", "l c b", "l d/e ./c"};
  std::sort(layer.begin(), layer.end());
  do {
    EXPECT_THAT(merged({layer}), ElementsAre("a 1", "b 1 =a", "c 1 =a", "d/ 0", "d/e 1 =a"))
        << testing::PrintToString(layer);
  } while (std::next_permutation(layer.begin(), layer.end()));
}

TEST(HardLink, MayShareAnOpenLinkWithOthers) {
  EXPECT_THAT(merged({{"l a y", "l b y", "l y z", "f z 1", "l x a"}}),
              ElementsAre("a 1", "b 1 =a", "x 1 =a", "y 1 =a", "z 1 =a"));
}

TEST(HardLink, ToASymlinkIsTheSymlinkItself) {
  EXPECT_THAT(merged({{"f t 1", "s a t", "l b a"}}), ElementsAre("a 0 -> t", "b 0 -> t =a", "t 1"));
}

TEST(HardLink, ReachesFilesOfLowerLayersEvenIfTheyAreHiddenNow) {
  Layer upper{"l b a", "f .wh.a 0", "f d/.wh..wh..opq 0", "l d/new d/old", "l top d/old"};
  std::sort(upper.begin(), upper.end());
  do {
    EXPECT_THAT(merged({{"f a 1", "f d/old 2"}, upper}),
                ElementsAre("b 1", "d/ 0", "d/new 2", "top 2 =d/new"));
  } while (std::next_permutation(upper.begin(), upper.end()));
}

TEST(HardLink, MeansWhatItsTargetIsAtThatMoment) {
  const Layer lower{"f a 1", "f d/x 1"};
  EXPECT_THAT(merged({lower, {"f a 2", "l b a"}}), ElementsAre("a 2", "b 2 =a", "d/ 0", "d/x 1"));
  EXPECT_THAT(merged({lower, {"l b a", "f a 2"}}), ElementsAre("a 2", "b 1", "d/ 0", "d/x 1"));
  EXPECT_THAT(merged({lower, {"l a d/x", "l b a", "f d/x 2"}}),
              ElementsAre("a 1", "b 1 =a", "d/ 0", "d/x 2"));
  EXPECT_THAT(merged({lower, {"l b d/x", "d d 2", "f d/x 2", "l c d/x"}}),
              ElementsAre("a 1", "b 1", "c 2", "d/ 2", "d/x 2 =c"));
  EXPECT_THAT(merged({lower, {"l b a", "s a d"}}), ElementsAre("a 0 -> d", "b 1", "d/ 0", "d/x 1"));
}

TEST(HardLink, MeansALaterEntryWhereAnEarlierMarkerHidesTheFileBelow) {
  const Layer lower{"f a 1", "f d/x 1"};
  EXPECT_THAT(merged({lower, {"f .wh.a 0", "l b a", "f a 2", "f .wh.d 0"}}),
              ElementsAre("a 2", "b 2 =a"));
  EXPECT_THAT(merged({lower, {"l b a", "f .wh.a 0", "f a 2", "f .wh.d 0"}}),
              ElementsAre("a 2", "b 1"));
  for (const char* marker : {"f .wh.d 0", "f d/.wh..wh..opq 0", "f d/.wh.x 0"}) {
    EXPECT_THAT(merged({lower, {marker, "l b d/x", "f d/x 2"}}),
                ElementsAre("a 1", "b 2", "d/ 0", "d/x 2 =b"));
    EXPECT_THAT(merged({lower, {"l b d/x", marker, "f d/x 2"}}),
                ElementsAre("a 1", "b 1", "d/ 0", "d/x 2"));
  }
}

TEST(HardLink, KeepsTheInodeThatItsTargetHadThen) {
  EXPECT_THAT(merged({{"f a 1", "l b a", "f a 2"}}), ElementsAre("a 2", "b 1"));
}

TEST(HardLink, NamesOfALowerFileLiveOnWhenOneIsReplaced) {
  const Tree tree = build({{"f a 1", "l b a", "l c a"}, {"f b 2"}});
  EXPECT_THAT(show(tree), ElementsAre("a 1", "b 2", "c 1 =a"));
  EXPECT_EQ(at(tree, "a").nlink, 2u);
  EXPECT_EQ(at(tree, "b").nlink, 1u);
}

TEST(HardLink, FindsNewFilesThroughSymlinksOfLowerLayers) {
  const Layer lower{"s lib usr/lib", "f usr/lib/old 1"};
  Layer upper{"f usr/lib/x 2", "l y lib/x", "l z lib/old", "l usr/lib/w lib/y2", "l usr/lib/y2 y"};
  std::sort(upper.begin(), upper.end());
  do {
    EXPECT_THAT(merged({lower, upper}),
                ElementsAre("lib 0 -> usr/lib", "usr/ 0", "usr/lib/ 0", "usr/lib/old 1",
                            "usr/lib/w 2", "usr/lib/x 2 =usr/lib/w", "usr/lib/y2 2 =usr/lib/w",
                            "y 2 =usr/lib/w", "z 1 =usr/lib/old"))
        << testing::PrintToString(upper);
  } while (std::next_permutation(upper.begin(), upper.end()));
}

TEST(HardLink, MeansTheFileOfThatMomentThroughSymlinksOfLowerLayers) {
  const Layer lower{"s lib usr/lib", "f usr/lib/x 1"};
  EXPECT_THAT(merged({lower, {"l w lib/x", "f usr/lib/x 2", "l y lib/x", "f usr/lib/x 3"}}),
              ElementsAre("lib 0 -> usr/lib", "usr/ 0", "usr/lib/ 0", "usr/lib/x 3", "w 1", "y 2"));
  EXPECT_THAT(
      merged({lower, {"l usr/lib/x lib/x"}, {"f lib/x 2", "l y lib/x"}}),
      ElementsAre("lib/ 0", "lib/x 2", "usr/ 0", "usr/lib/ 0", "usr/lib/x 1", "y 2 =lib/x"));
}

TEST(HardLink, FindsLowerFilesThroughSymlinksOfItsLayer) {
  EXPECT_THAT(
      merged({{"f usr/lib/x 1"}, {"s lib usr/lib", "l y lib/x"}}),
      ElementsAre("lib 0 -> usr/lib", "usr/ 0", "usr/lib/ 0", "usr/lib/x 1", "y 1 =usr/lib/x"));
  EXPECT_THAT(merged({{"f usr/lib/x 1"}, {"s lib usr/lib", "l usr/lib/x lib/x"}}),
              ElementsAre("lib 0 -> usr/lib", "usr/ 0", "usr/lib/ 0", "usr/lib/x 1"));
  // What stands in the way now did not when the link was made.
  EXPECT_THAT(merged({{"f d/x 1"}, {"f d 2", "l y d/x"}}), ElementsAre("d 2", "y 1"));
}

TEST(HardLink, ToItselfMeansTheFileBelow) {
  EXPECT_THAT(merged({{"f a 1"}, {"l a a"}}), ElementsAre("a 1"));
  EXPECT_THAT(merged({{"f a 1"}, {"l a b", "l b a"}}), ElementsAre("a 1", "b 1 =a"));
  EXPECT_THAT(merged({{"f a 1", "l a a"}}), ElementsAre("a 1"));
  EXPECT_THAT(refusal({{"l a b", "l b a"}}), HasSubstr("no such file"));
  EXPECT_THAT(refusal({{"l a a"}}), HasSubstr("no such file"));
}

TEST(HardLink, MayNameItsTargetFromTheRoot) {
  EXPECT_THAT(merged({{"f d/a 1", "l b /d/a"}}), ElementsAre("b 1", "d/ 0", "d/a 1 =b"));
}

TEST(HardLink, ToADirectoryOrToNothingIsRefusedWithBothNames) {
  EXPECT_THAT(refusal({{"d dir 1", "l x dir"}}),
              AllOf(HasSubstr("x: hard link to dir"), HasSubstr("is a directory")));
  EXPECT_THAT(refusal({{"d dir 1"}, {"l x dir"}}), HasSubstr("is a directory"));
  EXPECT_THAT(refusal({{"l x ./"}}), HasSubstr("x: hard link to /: target is a directory"));
  EXPECT_THAT(refusal({{"f f 1", "l x f/y"}}), HasSubstr("x: hard link to f/y: no such file"));
  EXPECT_THAT(refusal({{"f f 1"}, {"f .wh.f 0"}, {"l x f"}}), HasSubstr("no such file"));
  EXPECT_THAT(refusal({{"l x ../y"}}), HasSubstr("../y"));
}

TEST(HardLink, ThatALaterEntryReplacesNeedsNoTarget) {
  EXPECT_THAT(merged({{"l x missing", "f x 1"}}), ElementsAre("x 1"));
  EXPECT_THAT(merged({{"l d/x missing", "f d 1"}}), ElementsAre("d 1"));
}

TEST(HardLink, MayBeToThePseudoLinksOfAufs) {
  Layer layer{"f .wh..wh.plnk/1.2 1", "l etc/a .wh..wh.plnk/1.2", "l b ./.wh..wh.plnk/1.2"};
  std::sort(layer.begin(), layer.end());
  do {
    EXPECT_THAT(merged({{"f etc/a 0"}, layer}), ElementsAre("b 1", "etc/ 0", "etc/a 1 =b"))
        << testing::PrintToString(layer);
  } while (std::next_permutation(layer.begin(), layer.end()));
  const Tree tree = build({layer});
  EXPECT_EQ(at(tree, "b").nlink, 2u);
  // They are nothing else, and each layer's own.
  EXPECT_THAT(merged({{"d .wh..wh.plnk 1", "f .wh..wh.plnk/1.2 1", "l .wh..wh.plnk/3.4 gone",
                       "f .wh..wh.aufs 1", "f .wh..wh.orph/x 1", "f a 1"}}),
              ElementsAre("a 1"));
  EXPECT_THAT(refusal({{"f .wh..wh.plnk/1.2 1"}, {"l a .wh..wh.plnk/1.2"}}),
              HasSubstr("no such file"));
  EXPECT_THAT(refusal({{"f d/.wh..wh.plnk/1.2 1", "l a d/.wh..wh.plnk/1.2"}}),
              HasSubstr("no such file"));
}

TEST(HardLink, ChainsOfAnyLengthAreFollowed) {
  Layer layer;
  for (int i = 0; i < 20000; ++i)
    layer.push_back("l n" + std::to_string(i) + " n" + std::to_string(i + 1));
  layer.push_back("f n20000 1");
  const Tree tree = build({layer});
  EXPECT_EQ(at(tree, "n0").nlink, 20001u);
}

TEST(LinkCount, CountsNamesAndSubdirectories) {
  const Tree tree = build({{"d a 1", "d a/b 1", "d a/c 1", "f a/f 1", "l g a/f"}, {"f a/.wh.c 0"}});
  EXPECT_EQ(at(tree, "").nlink, 3u);
  EXPECT_EQ(at(tree, "a").nlink, 3u);
  EXPECT_EQ(at(tree, "a/b").nlink, 2u);
  EXPECT_EQ(at(tree, "g").nlink, 2u);
  for (const Inode& inode : tree.inodes) {
    if (inode.nlink > 0) continue;
    EXPECT_TRUE(inode.extents.empty());
    EXPECT_TRUE(!inode.children || inode.children->empty());
  }
}

}  // namespace
}  // namespace ondemand::tree
