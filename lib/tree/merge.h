// SPDX-License-Identifier: Apache-2.0
//
// Puts a layer onto the tree of the layers below, by the rules of OCI image specification 1.1,
// layer.md, "Applying Changesets".
#pragma once

#include "tree/layer_tree.h"
#include "tree/node.h"

namespace ondemand::tree {

// Merges `layer`, whose links are resolved, into the tree below `lower_root`.  What the layer
// hides loses its name; a directory that both have keeps its lower inode, and takes the layer's
// metadata where an entry gave some.  Names of kDroppedSlot are names like others.
void merge_layer(Tree& tree, InodeId lower_root, const LayerTree& layer);

// Takes out the names of kDroppedSlot: the tree is whole.
void remove_dropped(Tree& tree);

// Counts names and subdirectories into nlink, and empties inodes that lost their last name.
void count_links(Tree& tree);

}  // namespace ondemand::tree
