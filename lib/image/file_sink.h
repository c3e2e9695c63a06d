// SPDX-License-Identifier: Apache-2.0
//
// Who takes the bytes of the regular files of a layer, one file after another.
#pragma once

#include <cstdint>

#include "tree/node.h"
#include "util/bytes.h"

namespace ondemand::image {

class FileSink {
 public:
  virtual ~FileSink() = default;
  // The file that follows has `size` bytes; what add() does not give of them is a hole.
  virtual void begin_file(tree::InodeId inode, std::uint64_t size) = 0;
  // The next piece, at an ascending offset; borrowed.
  virtual void add(std::uint64_t offset, util::Bytes bytes) = 0;
  virtual void end_file() = 0;
};

}  // namespace ondemand::image
