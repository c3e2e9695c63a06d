// SPDX-License-Identifier: Apache-2.0
//
// Sparse files whose chunk entries no bootstrap may have, with --lossy.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "image/read_rules.h"
#include "tree/node.h"

namespace ondemand::image {

// Takes out of a whole tree, whose extents are final, each file that needs more than
// erofs::kMaxChunkEntries, and those with which all together need more than
// erofs::kMaxChunkEntriesOfImage, in the order of their inodes.  Lists every name of theirs;
// `image` begins the lines.  Their data stays in the blobs.  `known`: files that go in any case,
// and how many entries each needs (DataPipeline::too_sparse()).
void drop_sparse_files(tree::Tree& tree, const std::string& image, DropList& dropped,
                       const std::map<tree::InodeId, std::uint64_t>& known = {});

}  // namespace ondemand::image
