// SPDX-License-Identifier: Apache-2.0
#include "input/peek_source.h"

#include <algorithm>
#include <cstring>

namespace ondemand::input {

util::Bytes PeekSource::peek() {
  head_len_ += util::read_fully(inner_, util::MutableBytes(head_).subspan(head_len_));
  return util::Bytes(head_).first(head_len_);
}

std::size_t PeekSource::read(util::MutableBytes out) {
  if (position_ == head_len_) return inner_.read(out);
  const std::size_t len = std::min(out.size(), head_len_ - position_);
  std::memcpy(out.data(), head_.data() + position_, len);
  position_ += len;
  return len;
}

}  // namespace ondemand::input
