// SPDX-License-Identifier: Apache-2.0
//
// A stream whose first bytes can be looked at before they are read.
#pragma once

#include <array>

#include "util/bytes.h"
#include "util/stream.h"

namespace ondemand::input {

class PeekSource : public util::ByteSource {
 public:
  // Borrows `inner`.
  explicit PeekSource(util::ByteSource& inner) : inner_(inner) {}

  // A header of a tar archive, and more than detect_compression() wants.
  static constexpr std::size_t kPeekBytes = 512;

  // The first bytes, fewer than kPeekBytes only when the stream is shorter.
  // To be called before read().
  util::Bytes peek();
  std::size_t read(util::MutableBytes out) override;

 private:
  util::ByteSource& inner_;
  std::array<std::uint8_t, kPeekBytes> head_{};
  std::size_t head_len_ = 0;
  std::size_t position_ = 0;
};

}  // namespace ondemand::input
