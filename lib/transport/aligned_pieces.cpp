// SPDX-License-Identifier: Apache-2.0
#include "transport/aligned_pieces.h"

#include <cstdlib>
#include <cstring>
#include <memory>

#include "util/align.h"
#include "util/error.h"

namespace ondemand::transport {

namespace {
struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
}  // namespace

util::MutableBytes aligned_scratch() {
  thread_local std::unique_ptr<void, Free> memory(
      std::aligned_alloc(kDirectAlignment, kPieceBytes));
  if (!memory)
    throw util::Error(util::ErrorCode::kUnavailable, "write buffer: allocate: no memory");
  return {static_cast<std::uint8_t*>(memory.get()), kPieceBytes};
}

void for_each_aligned_piece(util::Bytes bytes,
                            const std::function<void(std::uint64_t, util::Bytes)>& write) {
  if (!util::is_aligned(bytes.size(), kDirectAlignment))
    throw util::Error(util::ErrorCode::kInternal, "write: check: not whole blocks");
  const util::MutableBytes scratch = aligned_scratch();
  for (std::size_t at = 0; at < bytes.size(); at += scratch.size()) {
    const util::Bytes piece = bytes.subspan(at, std::min(scratch.size(), bytes.size() - at));
    std::memcpy(scratch.data(), piece.data(), piece.size());
    write(at, scratch.first(piece.size()));
  }
}

std::vector<util::ByteRange> widen(const std::vector<util::ByteRange>& ranges,
                                   util::ByteRange within) {
  std::vector<util::ByteRange> wide;
  for (const util::ByteRange& range : ranges) {
    const std::uint64_t begin =
        std::max(within.offset, util::round_down<std::uint64_t>(range.offset, kDirectAlignment));
    const std::uint64_t end =
        std::min(within.end(), util::round_up<std::uint64_t>(range.end(), kDirectAlignment));
    if (!wide.empty() && begin <= wide.back().end()) {
      wide.back().len = std::max(end, wide.back().end()) - wide.back().offset;
    } else {
      wide.push_back({begin, end - begin});
    }
  }
  return wide;
}

}  // namespace ondemand::transport
