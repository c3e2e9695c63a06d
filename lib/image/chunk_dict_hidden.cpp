// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>

#include "chunk/extent.h"
#include "hash/sha256.h"
#include "image/chunk_dict.h"
#include "util/align.h"

namespace ondemand::image {

namespace {

using chunk::kBlockSize;

// Blocks that begin alike (licences, headers) are tried so often.
constexpr int kMaxTries = 16;

}  // namespace

bool detail::is_zero(util::Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::uint64_t detail::hint_of(util::Bytes block) {
  return std::hash<hash::Digest>()(hash::sha256(block));
}

view::FrameCache::Frame ChunkDict::frame(std::uint32_t blob, std::size_t number) {
  return cache_.get(blob, number, [&] {
    util::Buffer bytes;
    views_[blob].read_frame(number, bytes);
    hidden_work_ += bytes.size();
    return bytes;
  });
}

bool ChunkDict::has_bytes(const HiddenBlock& place, util::Bytes bytes) {
  const blob::ChunkIndex& index = blobs_[place.blob].index;
  const std::uint64_t size = index.uncompressed_size();
  std::uint64_t offset = std::uint64_t{place.start.value} * kBlockSize;
  const std::uint64_t blocks =
      util::round_up(std::uint64_t{bytes.size()}, std::uint64_t{kBlockSize});
  if (blocks > util::round_up(size, std::uint64_t{kBlockSize}) - offset) return false;
  std::uint64_t padding = blocks - bytes.size();
  while (!bytes.empty() || padding > 0) {
    // Zeros follow a kernel view that ends inside its last block.
    if (offset >= size) return detail::is_zero(bytes);
    const std::size_t number = index.find(offset);
    const view::FrameCache::Frame whole = frame(place.blob, number);
    util::Bytes rest = util::Bytes(*whole).subspan(
        static_cast<std::size_t>(offset - index.frame(number).uncompressed.offset));
    const std::size_t len = std::min(rest.size(), bytes.size());
    if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(len), rest.begin()))
      return false;
    bytes = bytes.subspan(len);
    rest = rest.subspan(len);
    const auto zeros =
        static_cast<std::size_t>(bytes.empty() ? std::min<std::uint64_t>(rest.size(), padding) : 0);
    if (!detail::is_zero(rest.first(zeros))) return false;
    padding -= zeros;
    offset += len + zeros;
  }
  return true;
}

std::optional<DictChunk> ChunkDict::find_hidden(const hash::Digest& digest, util::Bytes bytes) {
  if (hidden_.empty()) return std::nullopt;
  util::Buffer block(
      bytes.begin(),
      bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(bytes.size(), kBlockSize)));
  block.resize(kBlockSize);
  const std::uint64_t hint = detail::hint_of(block);
  auto place = std::lower_bound(
      hidden_.begin(), hidden_.end(), hint,
      [](const HiddenBlock& hidden, std::uint64_t wanted) { return hidden.hash < wanted; });
  // In the order of the chunks, on one thread: the same for every number of jobs.
  hidden_credit_ += 2 * std::uint64_t{bytes.size()};
  for (int tries = 0; tries < kMaxTries && place != hidden_.end() && place->hash == hint;
       ++tries, ++place) {
    if (hidden_credit_ == 0) return std::nullopt;
    const std::uint64_t before = hidden_work_;
    if (has_bytes(*place, bytes)) return DictChunk{digest, place->blob, place->start};
    hidden_credit_ -= std::min(hidden_credit_, hidden_work_ - before);
  }
  return std::nullopt;
}

}  // namespace ondemand::image
