// SPDX-License-Identifier: Apache-2.0
//
// Writes the bootstrap of a finished tree into the store's staging area, reads it back, compares
// it with the tree, and compresses it.  Nothing is visible yet.
#pragma once

#include "erofs/bootstrap_options.h"
#include "image/image_objects.h"
#include "store/store.h"
#include "tree/node.h"

namespace ondemand::image {

struct StagedBootstrap {
  store::StagedBlob file;  // what is to be committed under object.digest
  BootstrapObject object;
  std::uint64_t inodes = 0;
};

// zstd_level 0 stores the bootstrap as it is.  Throws what write_bootstrap throws, kIo, and
// kInternal when what was written is not the tree.
StagedBootstrap stage_bootstrap(store::Store& store, const tree::Tree& tree,
                                const erofs::BootstrapOptions& options, int zstd_level);

}  // namespace ondemand::image
