// SPDX-License-Identifier: Apache-2.0
//
// Writes a tree as an EROFS image that holds all metadata and refers to data blobs.  Mountable
// from Linux 5.16 on.  The same tree and options give the same bytes everywhere.
#pragma once

#include <cstdint>
#include <string_view>

#include "erofs/bootstrap_options.h"
#include "tree/node.h"

namespace ondemand::erofs {

struct BootstrapResult {
  std::uint64_t size_bytes = 0;  // multiple of 4096
  std::uint64_t inodes = 0;
  std::uint64_t compact_inodes = 0;  // of 32 instead of 64 bytes
  Uuid uuid{};
};

// Writes to `fd` from offset 0 (pwrite; the file is empty, and `name` is for messages).  Streams:
// memory is 40 bytes for each inode besides the tree, some more for distinct xattrs.
// Throws kUnsupported or kTooLarge naming the path for what EROFS cannot hold; kIo.
BootstrapResult write_bootstrap(const tree::Tree& tree, const BootstrapOptions& options, int fd,
                                std::string_view name);

}  // namespace ondemand::erofs
