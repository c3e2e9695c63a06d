// SPDX-License-Identifier: Apache-2.0
#include "chunk/chunker.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::chunk {

using util::Error;
using util::ErrorCode;

Chunker::Chunker(std::uint32_t chunk_size, Emit emit)
    : chunk_size_(chunk_size), emit_(std::move(emit)), buffer_(chunk_size) {
  ASSERT(std::has_single_bit(chunk_size) && chunk_size >= 4096);
}

void Chunker::begin_file(std::uint64_t size) {
  size_ = size;
  position_ = 0;
  filled_ = 0;
}

void Chunker::add(std::uint64_t offset, util::Bytes bytes) {
  if (offset < position_ || offset > size_ || bytes.size() > size_ - offset) {
    throw Error(ErrorCode::kCorrupt,
                util::concat("data: cut into chunks: bytes at 0x", util::to_hex(offset), " + ",
                             bytes.size(), " do not fit behind 0x", util::to_hex(position_), " in ",
                             size_, " bytes"));
  }
  position_ = offset + bytes.size();
  while (!bytes.empty()) {
    const std::uint64_t start = util::round_down(offset, std::uint64_t{chunk_size_});
    if (filled_ > 0 && start != start_) flush();
    const auto within = static_cast<std::size_t>(offset - start);
    const std::size_t len = std::min(bytes.size(), chunk_size_ - within);
    if (within == 0 && len == chunk_size_) {
      emit_(start, bytes.first(len));  // a whole chunk at hand needs no copy
    } else {
      if (within > filled_) std::memset(buffer_.data() + filled_, 0, within - filled_);
      std::memcpy(buffer_.data() + within, bytes.data(), len);
      start_ = start;
      filled_ = within + len;
      if (filled_ == chunk_size_) flush();
    }
    offset += len;
    bytes = bytes.subspan(len);
  }
}

void Chunker::end_file() {
  if (filled_ > 0) flush();
}

void Chunker::flush() {
  // A chunk that is not the file's last is whole: what the file did not give is zeros.
  const auto len = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_size_, size_ - start_));
  if (filled_ < len) std::memset(buffer_.data() + filled_, 0, len - filled_);
  filled_ = 0;
  emit_(start_, util::Bytes(buffer_).first(len));
}

}  // namespace ondemand::chunk
