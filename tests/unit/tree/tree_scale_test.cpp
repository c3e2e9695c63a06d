// SPDX-License-Identifier: Apache-2.0
// Large and deep inputs: they must finish well inside the test's time limit.
#include <gtest/gtest.h>
#include <malloc.h>

#include "unit/tree/tree_text.h"

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

}  // namespace
}  // namespace ondemand::tree
