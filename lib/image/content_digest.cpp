// SPDX-License-Identifier: Apache-2.0
#include "image/content_digest.h"

#include <algorithm>
#include <cstring>

#include "util/endian.h"

namespace ondemand::image {

void ContentDigest::take(std::uint64_t number, util::Bytes block) {
  if (block[0] == 0 && std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0) return;
  sha_.update(util::object_bytes(util::Le64(number)));
  sha_.update(block);
}

void ContentDigest::flush() {
  if (!gathered_) return;
  take(*gathered_, buffer_);
  buffer_.fill(0);
  gathered_.reset();
}

void ContentDigest::add(std::uint64_t offset, util::Bytes bytes) {
  while (!bytes.empty()) {
    const std::uint64_t number = offset / kBlock;
    const auto within = static_cast<std::size_t>(offset % kBlock);
    const std::size_t len = std::min(bytes.size(), kBlock - within);
    if (gathered_ && *gathered_ != number) flush();
    if (len == kBlock) {
      take(number, bytes.first(kBlock));
    } else {
      gathered_ = number;
      std::copy_n(bytes.begin(), len, buffer_.begin() + static_cast<std::ptrdiff_t>(within));
    }
    offset += len;
    bytes = bytes.subspan(len);
  }
}

hash::Digest ContentDigest::finish(std::uint64_t size) {
  flush();
  sha_.update(util::object_bytes(util::Le64(size)));
  return sha_.finish();
}

}  // namespace ondemand::image
