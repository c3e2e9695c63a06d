// SPDX-License-Identifier: Apache-2.0
#include "tree/merge.h"

#include <utility>

namespace ondemand::tree {

namespace {

void replace_metadata(Inode& lower, Inode& upper) {
  lower.permissions = upper.permissions;
  lower.uid = upper.uid;
  lower.gid = upper.gid;
  lower.mtime = upper.mtime;
  lower.xattrs = std::move(upper.xattrs);
}

bool is_directory(const Tree& tree, InodeId slot) {
  return slot != kDroppedSlot && tree.inodes[slot].type == FileType::kDirectory;
}

// Recursion is as deep as a path has names: 2,048 at most.
void merge_directory(Tree& tree, InodeId lower, InodeId upper, const LayerTree& layer) {
  const LayerDirectory& marks = layer.directory(upper);
  if (marks.is_explicit) replace_metadata(tree.inodes[lower], tree.inodes[upper]);

  Children& below = *tree.inodes[lower].children;
  if (marks.is_opaque) below.clear();
  for (const std::string& name : marks.whiteouts)
    below.erase(name);

  Children& above = *tree.inodes[upper].children;
  if (below.empty()) {
    below.swap(above);  // the usual case of the first layer: no name is copied
    return;
  }
  while (!above.empty()) {
    auto node = above.extract(above.begin());
    const auto found = below.find(node.key());
    if (found == below.end()) {
      below.insert(std::move(node));
      continue;
    }
    const InodeId old = found->second;
    if (is_directory(tree, old) && is_directory(tree, node.mapped())) {
      merge_directory(tree, old, node.mapped(), layer);
    } else {
      found->second = node.mapped();
    }
  }
}

void count_names(Tree& tree, InodeId directory) {
  Inode& inode = tree.inodes[directory];
  inode.nlink = 2;
  for (const auto& child : *inode.children) {
    Inode& target = tree.inodes[child.second];
    if (target.type == FileType::kDirectory) {
      ++inode.nlink;
      count_names(tree, child.second);
    } else {
      ++target.nlink;
    }
  }
}

}  // namespace

void merge_layer(Tree& tree, InodeId lower_root, const LayerTree& layer) {
  merge_directory(tree, lower_root, layer.root(), layer);
}

void remove_dropped(Tree& tree) {
  for (Inode& inode : tree.inodes)
    if (inode.children)
      std::erase_if(*inode.children,
                    [](const auto& child) { return child.second == kDroppedSlot; });
}

void count_links(Tree& tree) {
  for (Inode& inode : tree.inodes)
    inode.nlink = 0;
  count_names(tree, kRootInode);
  for (Inode& inode : tree.inodes) {
    if (inode.nlink > 0) continue;
    inode.xattrs.reset();
    inode.extents = {};
    inode.inline_data = {};
    if (inode.children) inode.children->clear();
  }
}

}  // namespace ondemand::tree
