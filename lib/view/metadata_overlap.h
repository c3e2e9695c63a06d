// SPDX-License-Identifier: Apache-2.0
//
// Looks for places of a bootstrap that two things claim: inodes with what lies behind them, blocks
// of directories and symbolic links, superblock and device table.  (Data of files may be shared.)
#pragma once

#include <string>
#include <vector>

#include "erofs/bootstrap_reader.h"
#include "view/tree_list.h"

namespace ondemand::view {

// One line for each overlap, at most `limit`.  32 bytes of memory for each inode.  For a bootstrap
// that check_bootstrap() found clean.
std::vector<std::string> find_overlaps(const erofs::BootstrapReader& bootstrap,
                                       const TreeList& list, std::size_t limit);

}  // namespace ondemand::view
