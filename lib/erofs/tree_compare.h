// SPDX-License-Identifier: Apache-2.0
//
// Compares a bootstrap with the tree that it was made of.  The builder reads its own output back
// with it before it lets anyone see it.
#pragma once

#include <functional>
#include <vector>

#include "erofs/bootstrap_reader.h"
#include "tree/node.h"

namespace ondemand::erofs {

// Every inode, name, attribute, xattr, extent and inline byte.  Throws kInternal with the path at
// the first difference.  Returns the nid of each inode of the tree, by InodeId; all ones for one
// without a name.  Calls `now_and_then` every few thousand inodes.
std::vector<util::Nid> compare_with_tree(const BootstrapReader& reader, const tree::Tree& tree,
                                         const std::function<void()>& now_and_then = {});

}  // namespace ondemand::erofs
