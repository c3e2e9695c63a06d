// SPDX-License-Identifier: Apache-2.0
//
// Every inode of a bootstrap once, ours or foreign.
#pragma once

#include <functional>

#include "erofs/bootstrap_reader.h"

namespace ondemand::erofs {

// Calls `visit` for each inode that a name leads to, the root first; the order depends on the
// image only.  Time and memory are in proportion to the image, whatever it holds.
// Throws kCorrupt where directories overlap, and what the reader throws.
void for_each_inode(const BootstrapReader& reader,
                    const std::function<void(const InodeInfo&)>& visit);

}  // namespace ondemand::erofs
