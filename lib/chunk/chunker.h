// SPDX-License-Identifier: Apache-2.0
//
// Cuts the bytes of one file into chunks that begin at multiples of the chunk size.  What the file
// does not give (holes of a sparse file) is either a whole absent chunk, which is not emitted, or
// zeros inside one that is.
//
// Thread: one user at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "util/bytes.h"

namespace ondemand::chunk {

class Chunker {
 public:
  // `bytes` (1..chunk size) lie at `file_offset`, a multiple of the chunk size; borrowed.
  using Emit = std::function<void(std::uint64_t file_offset, util::Bytes bytes)>;

  // Range: chunk_size is a power of two, >= 4096.
  Chunker(std::uint32_t chunk_size, Emit emit);

  // The file that follows has `size` bytes.
  void begin_file(std::uint64_t size);
  // The next piece.  Throws kCorrupt when it overlaps the one before or passes the file's size.
  void add(std::uint64_t offset, util::Bytes bytes);
  void end_file();

 private:
  void flush();

  const std::uint32_t chunk_size_;
  Emit emit_;
  util::Buffer buffer_;         // the chunk being gathered; bytes beyond filled_ are stale
  std::uint64_t size_ = 0;      // of the file
  std::uint64_t position_ = 0;  // end of the bytes seen
  std::uint64_t start_ = 0;     // file offset of buffer_
  std::size_t filled_ = 0;      // 0: nothing gathered
};

}  // namespace ondemand::chunk
