// SPDX-License-Identifier: Apache-2.0
//
// A large read buffer over a ByteSource that hands out views instead of copies and knows the
// position in the archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "util/bytes.h"
#include "util/stream.h"

namespace ondemand::tar {

class BlockInput {
 public:
  // Moves the position of the source forward without reading.  Returns false when the source ends
  // before.  Unit: bytes.
  using Skipper = std::function<bool(std::uint64_t)>;

  // Borrows the source.  Without a skipper, skipping reads.
  explicit BlockInput(util::ByteSource& source, Skipper skipper = {});

  // Position in the archive of the next byte.  Unit: bytes.
  std::uint64_t offset() const { return offset_; }

  // The next `len` bytes, fewer only at the end; not consumed.  Range: len <= kBufferSize.  All
  // views are valid until the next call of any member but offset() and consume().
  util::Bytes peek(std::size_t len);
  // Drops bytes that peek() showed.
  void consume(std::size_t len);
  // Between 1 and `max` bytes, consumed; none at the end.  Range: max > 0.
  util::Bytes take_some(std::uint64_t max);
  // False when the archive ends before.
  bool skip(std::uint64_t len);

  static constexpr std::size_t kBufferSize = 1024 * 1024;  // Unit: bytes

 private:
  util::ByteSource& source_;
  Skipper skipper_;
  util::Buffer buffer_;
  std::size_t begin_ = 0;  // [begin_, end_) of buffer_ is not consumed yet
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace ondemand::tar
