// SPDX-License-Identifier: Apache-2.0
#include "view/tree_list.h"

#include <gtest/gtest.h>

#include "unit/erofs/sample_tree.h"

namespace ondemand::view {
namespace {

TEST(TreeList, ListsDirectoriesFilesAndFurtherNames) {
  erofs::TestTree tree;
  tree.directory("b");
  tree.directory("b/c");
  tree.directory("a");
  tree.file("b/c/file");
  tree.file("a/x");
  tree.hard_link("b/y", "a/x");
  tree.hard_link("z", "a/x");
  const erofs::TestImage image = erofs::make_image(tree.finish());
  const erofs::BootstrapReader reader = image.reader();
  const TreeList list = list_tree(reader);
  std::string text;
  for (std::uint32_t i = 0; i < list.directories.size(); ++i)
    text += list.directory_path(i) + "/ ";
  for (const ListedName& file : list.files)
    text += list.path_of(file) + " ";
  for (const ListedLink& link : list.links)
    text += list.path_of(link.name) + "=" + list.path_of(list.files[link.target]) + " ";
  // The first name of an inode is the first that the walk meets: all of a directory, then deeper.
  EXPECT_EQ(text, "/ a/ b/ b/c/ z b/c/file a/x=z b/y=z ");
}

TEST(TreeList, ListsEveryNameOfALargeTreeOnce) {
  erofs::SampleTree sample;
  const erofs::TestImage image = erofs::make_image(sample.tree.finish(), sample.options);
  const TreeList list = list_tree(image.reader());
  EXPECT_EQ(list.directories.size() + list.files.size(), image.result.inodes);
  EXPECT_EQ(list.links.size(), 2U);
}

// A directory that holds itself, made by turning the entry of a subdirectory round.
TEST(TreeList, ADirectoryInItselfIsRefused) {
  erofs::TestTree tree;
  tree.directory("sub");
  erofs::TestImage image = erofs::make_image(tree.finish());
  const util::Nid root = image.reader().root();
  const util::Nid sub = *image.reader().lookup("sub");
  bool found = false;
  for (std::size_t at = 0; at + 8 <= image.bytes.size() && !found; at += 4) {
    ondisk::ErofsDirent dirent;
    std::memcpy(&dirent, image.bytes.data() + at, sizeof dirent);
    if (dirent.nid != sub.value || dirent.file_type != 2 || dirent.nameoff == 0) continue;
    dirent.nid = root.value;
    std::memcpy(image.bytes.data() + at, &dirent, sizeof dirent);
    found = true;
  }
  ASSERT_TRUE(found);
  EXPECT_NE(erofs::error_of([&] { list_tree(image.reader()); }), "");
}

}  // namespace
}  // namespace ondemand::view
