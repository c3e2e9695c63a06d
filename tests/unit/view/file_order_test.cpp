// SPDX-License-Identifier: Apache-2.0
#include "view/file_order.h"

#include <gtest/gtest.h>

#include "unit/erofs/test_tree.h"

namespace ondemand::view {
namespace {

using erofs::blob_device;
using erofs::extent;
using erofs::TestTree;

// The names in data order, of files that were made in alphabetical order.
std::string order_of(TestTree& tree, const std::vector<std::string>& names) {
  erofs::BootstrapOptions options;
  options.devices = {blob_device(1000, 'a'), blob_device(1000, 'b')};
  const erofs::TestImage image = erofs::make_image(tree.finish(), options);
  const erofs::BootstrapReader reader = image.reader();
  std::vector<util::Nid> nids;
  for (const std::string& name : names)
    nids.push_back(*reader.lookup(name));
  std::string out;
  for (const std::uint32_t file : data_order(reader, nids))
    out += (out.empty() ? "" : " ") + names[file];
  return out;
}

constexpr std::uint64_t kBlock = 4096;

TEST(FileOrder, FollowsTheBlobNotTheNames) {
  TestTree tree;
  tree.file("a", 4 * kBlock, {extent(0, 4, 8, 1)});
  tree.file("b", 4 * kBlock, {extent(0, 4, 4, 1)});
  tree.file("c", 4 * kBlock, {extent(0, 4, 0, 2)});
  tree.file("d", 4 * kBlock, {extent(0, 4, 0, 1)});
  EXPECT_EQ(order_of(tree, {"a", "b", "c", "d"}), "d b a c");
}

TEST(FileOrder, LeavesOutWhatHasNoDataOnDevices) {
  TestTree tree;
  tree.file("empty");
  tree.file("hole", 100 * kBlock);
  tree.inline_file("inline", "data");
  tree.symlink("link", "x");
  tree.file("z", 1, {extent(0, 1, 0, 1)});
  EXPECT_EQ(order_of(tree, {"empty", "hole", "inline", "link", "z"}), "z");
}

TEST(FileOrder, TheFileThatBroughtTheChunksComesBeforeThoseThatShareThem) {
  TestTree tree;
  tree.file("a", 2 * kBlock, {extent(0, 1, 10, 1), extent(1, 1, 12, 1)});  // shares two
  tree.file("b", 1 * kBlock, {extent(0, 1, 11, 1)});                       // shares one
  tree.file("c", 3 * kBlock, {extent(0, 3, 10, 1)});                       // brought all three
  tree.file("d", 2 * kBlock, {extent(0, 1, 13, 1), extent(1, 1, 10, 1)});
  const std::string order = order_of(tree, {"a", "b", "c", "d"});
  EXPECT_EQ(order.substr(0, 1), "c");
}

TEST(FileOrder, AnOldChunkBetweenNewOnesDoesNotEndTheRun) {
  TestTree tree;
  tree.file("first", 5 * kBlock, {extent(0, 5, 0, 1)});
  // New at 5, old at 2, new at 6.
  tree.file("mixed", 3 * kBlock, {extent(0, 1, 5, 1), extent(1, 1, 2, 1), extent(2, 1, 6, 1)});
  tree.file("shares", 2 * kBlock, {extent(0, 1, 5, 1), extent(1, 1, 7, 1)});
  tree.file("third", 1 * kBlock, {extent(0, 1, 7, 1)});
  EXPECT_EQ(order_of(tree, {"first", "mixed", "shares", "third"}), "first mixed shares third");
}

}  // namespace
}  // namespace ondemand::view
