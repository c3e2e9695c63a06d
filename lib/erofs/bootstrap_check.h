// SPDX-License-Identifier: Apache-2.0
//
// Checks a whole bootstrap, ours or foreign: that every name leads to an inode, directories form
// a tree and are in order, link counts, types, xattrs and extents are right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "erofs/bootstrap_reader.h"

namespace ondemand::erofs {

struct CheckReport {
  // One line each: "path: reason".  At most 100; then a last line says that there are more.
  std::vector<std::string> problems;
  std::uint64_t inodes = 0;
  std::uint64_t directories = 0;
  bool is_clean() const { return problems.empty(); }
};

// Time and memory are in proportion to the image, whatever it holds.  Does not throw for what it
// finds in the image.
CheckReport check_bootstrap(const BootstrapReader& reader);

}  // namespace ondemand::erofs
