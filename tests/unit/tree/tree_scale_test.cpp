// SPDX-License-Identifier: Apache-2.0
// Large and deep inputs: they must finish well inside the test's time limit.
#include <gtest/gtest.h>
#include <malloc.h>

#include "unit/tree/tree_text.h"
#include "util/error.h"

namespace ondemand::tree {
namespace {

TEST(TreeScale, HoldsTwoHundredThousandFilesInOneDirectory) {
  constexpr std::size_t kFiles = 200000;
#ifndef ONDEMAND_SANITIZED
  const std::size_t before = ::mallinfo2().uordblks;
#endif
  TreeBuilder builder;
  builder.begin_layer();
  tar::Entry entry = parse_entry("f x 1");
  for (std::size_t i = 0; i < kFiles; ++i) {
    entry.path = "dir/file-" + std::to_string(i * 7919 % kFiles);
    builder.inode(builder.add(entry)).extents = {{0, 1, {1}, {1}}};
  }
  builder.end_layer();
  const Tree tree = builder.finish();
  EXPECT_EQ(at(tree, "dir").children->size(), kFiles);
#ifndef ONDEMAND_SANITIZED
  EXPECT_LE((::mallinfo2().uordblks - before) / kFiles, 250u) << "bytes for each inode";
#endif
}

TEST(TreeScale, HoldsPathsOfTwoThousandNames) {
  std::string path = "f";
  while (path.size() < 4090)
    path += "/d";
  EXPECT_EQ(show(build({{"f " + path + " 1"}, {"f " + path + " 2"}})).size(), 2046u);
}

// Each entry leads through 30 symbolic links of a thousand names each.
TEST(TreeScale, BoundsTheStepsThroughSymbolicLinks) {
  std::string deep;
  for (int i = 0; i < 1000; ++i)
    deep += "a/";
  Layer layer{"d " + deep};
  for (int i = 0; i < 30; ++i)
    layer.push_back("s " + deep + "s" + std::to_string(i) + " /" + deep +
                    (i < 29 ? "s" + std::to_string(i + 1) : ""));
  layer.push_back("s t /" + deep + "s0");
  layer.push_back("s u /" + deep + "s0");
  for (int i = 0; i < 2000; ++i)
    layer.push_back((i % 2 == 0 ? "f t/f" : "l u/l") + std::to_string(i) + " t/f0");
  try {
    build({layer});
    FAIL() << "it took all steps";
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kTooLarge);
    EXPECT_NE(error.message().find("symbolic links"), std::string::npos);
  }
}

TEST(TreeScale, TakesManyEntriesThroughAFewSymbolicLinks) {
  Layer layer{"s lib usr/lib", "s a b", "s b c", "s c ./lib/../lib"};
  for (int i = 0; i < 100000; ++i)
    layer.push_back(std::string(i % 2 == 0 ? "f a/f" : "f lib/l") + std::to_string(i) + " 1");
  EXPECT_EQ(show(build({layer})).size(), 100006u);
}

}  // namespace
}  // namespace ondemand::tree
