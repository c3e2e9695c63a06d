// SPDX-License-Identifier: Apache-2.0
#include "erofs/image_output.h"

#include <algorithm>
#include <array>

#include "util/error.h"
#include "util/fd.h"

namespace ondemand::erofs {
namespace {

constexpr std::size_t kFlushBytes = 256 * 1024;

}  // namespace

void ImageOutput::write(util::Bytes bytes) {
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), kFlushBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    if (buffer_.size() == kFlushBytes) flush();
  }
}

void ImageOutput::zero_to(std::uint64_t offset) {
  static constexpr std::array<std::uint8_t, chunk::kBlockSize> kZeros{};
  ASSERT(offset >= position());
  while (position() < offset)
    write(util::Bytes(kZeros).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(kZeros.size(), offset - position()))));
}

void ImageOutput::flush() {
  sha_.update(buffer_);
  util::Bytes rest = buffer_;
  if (flushed_ == 0) {
    ASSERT(rest.size() >= chunk::kBlockSize);
    first_block_.assign(rest.begin(), rest.begin() + chunk::kBlockSize);
    rest = rest.subspan(chunk::kBlockSize);
  }
  const std::uint64_t skipped = buffer_.size() - rest.size();
  if (!rest.empty()) util::pwrite_full(fd_, rest, flushed_ + skipped, name_);
  flushed_ += buffer_.size();
  buffer_.clear();
}

hash::Digest ImageOutput::finish() {
  if (!buffer_.empty()) flush();
  ASSERT(first_block_.size() == chunk::kBlockSize);
  return sha_.finish();
}

void ImageOutput::commit_first_block() {
  util::pwrite_full(fd_, first_block_, 0, name_);
}

}  // namespace ondemand::erofs
