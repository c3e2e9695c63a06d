// SPDX-License-Identifier: Apache-2.0
//
// Every name of a bootstrap as a flat list: directories before what is in them, names in byte
// order, further names of an inode apart.  Some 40 bytes for each name, whatever its path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "erofs/bootstrap_reader.h"

namespace ondemand::view {

struct ListedName {
  util::Nid nid;
  std::uint32_t parent = 0;  // in TreeList::directories
  std::string_view name;     // borrows the bootstrap
};

struct ListedLink {
  ListedName name;
  std::uint32_t target = 0;  // in TreeList::files: the inode's first name
};

struct TreeList {
  std::vector<ListedName> directories;  // [0] is the root, its own parent, without a name
  std::vector<ListedName> files;        // first names of all that is no directory
  std::vector<ListedLink> links;

  // Without a slash at either end; the root is "".
  std::string path_of(const ListedName& name) const;
  std::string directory_path(std::uint32_t index) const;
};

// Depth first.  For a bootstrap that check_bootstrap() found clean; another one throws kCorrupt, or
// is listed as it is, but neither loops nor takes more memory than in proportion to its size.
TreeList list_tree(const erofs::BootstrapReader& bootstrap);

}  // namespace ondemand::view
