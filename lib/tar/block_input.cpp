// SPDX-License-Identifier: Apache-2.0
#include "tar/block_input.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "util/error.h"

namespace ondemand::tar {

BlockInput::BlockInput(util::ByteSource& source, Skipper skipper)
    : source_(source), skipper_(std::move(skipper)), buffer_(kBufferSize) {}

util::Bytes BlockInput::peek(std::size_t len) {
  ASSERT(len <= kBufferSize);
  if (end_ - begin_ < len && !ended_) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    while (end_ < len && !ended_) {
      const std::size_t got = source_.read(util::MutableBytes(buffer_).subspan(end_));
      ended_ = got == 0;
      end_ += got;
    }
  }
  return util::Bytes(buffer_).subspan(begin_, std::min(len, end_ - begin_));
}

void BlockInput::consume(std::size_t len) {
  ASSERT(len <= end_ - begin_);
  begin_ += len;
  offset_ += len;
}

util::Bytes BlockInput::take_some(std::uint64_t max) {
  if (peek(1).empty()) return {};
  const auto len = static_cast<std::size_t>(std::min<std::uint64_t>(max, end_ - begin_));
  const util::Bytes taken = util::Bytes(buffer_).subspan(begin_, len);
  consume(len);
  return taken;
}

bool BlockInput::skip(std::uint64_t len) {
  const auto buffered = static_cast<std::size_t>(std::min<std::uint64_t>(len, end_ - begin_));
  consume(buffered);
  len -= buffered;
  if (len > 0 && skipper_) {
    offset_ += len;
    return skipper_(len);
  }
  while (len > 0) {
    const util::Bytes taken = take_some(len);
    if (taken.empty()) return false;
    len -= taken.size();
  }
  return true;
}

}  // namespace ondemand::tar
