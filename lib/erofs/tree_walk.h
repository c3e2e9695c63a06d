// SPDX-License-Identifier: Apache-2.0
//
// Visits a tree in the order in which its inodes are laid out, checking on the way that it is one
// and that EROFS can hold every name and inode of it.
#pragma once

#include <functional>
#include <string>

#include "tree/node.h"

namespace ondemand::erofs {

struct TreeVisit {
  tree::InodeId inode;
  tree::InodeId parent;  // the directory that names it (first); the root's is the root
};

// Calls `visit` once for each inode: the root, then the children of one directory after the other,
// directories in depth-first order.  Throws kUnsupported, kTooLarge or kInternal with the path;
// errors of `visit` get the path too.
void walk_tree(const tree::Tree& tree, const std::function<void(const TreeVisit&)>& visit);

// Throws kUnsupported or kTooLarge when EROFS cannot hold the name or the inode, kInternal when
// the inode's fields contradict each other.  Without path.
void check_name(const std::string& name);
void check_inode(const tree::Inode& inode);

}  // namespace ondemand::erofs
