// SPDX-License-Identifier: Apache-2.0
#include "view/kernel_view.h"

#include <algorithm>

#include "blob/frame.h"
#include "chunk/extent.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::view {

namespace {

using util::Error;
using util::ErrorCode;

constexpr std::size_t kPieceBytes = 256 * 1024;

}  // namespace

void KernelView::read(util::ByteRange range, const UseBytes& use) {
  const std::uint64_t end = util::round_up(size(), std::uint64_t{chunk::kBlockSize});
  if (range.offset > end || range.len > end - range.offset)
    throw Error(ErrorCode::kCorrupt, util::concat(name_, ": read: 0x", util::to_hex(range.len),
                                                  " bytes at 0x", util::to_hex(range.offset),
                                                  " are not in its 0x", util::to_hex(size())));
  if (range.offset < size()) {
    const std::uint64_t inside = std::min(range.len, size() - range.offset);
    read_inside({range.offset, inside}, use);
    range.offset += inside;
    range.len -= inside;
  }
  if (range.len > 0) use(util::Buffer(static_cast<std::size_t>(range.len)));  // below one block
}

FramedView::FramedView(blob::ChunkIndex index, ReadStored read, std::string name,
                       std::uint32_t number, FrameCache& cache)
    : KernelView(std::move(name)),
      index_(std::move(index)),
      read_(std::move(read)),
      number_(number),
      cache_(cache) {}

void FramedView::read_inside(util::ByteRange range, const UseBytes& use) {
  if (range.empty()) return;
  for (std::size_t i = index_.find(range.offset); range.len > 0; ++i) {
    const blob::Frame frame = index_.frame(i);
    const FrameCache::Frame bytes = cache_.get(number_, i, [&] {
      stored_.resize(static_cast<std::size_t>(frame.stored.len));
      read_(frame.stored.offset, stored_);
      return blob::open_frame(index_, i, stored_, name());
    });
    const std::uint64_t from = range.offset - frame.uncompressed.offset;
    const std::uint64_t len = std::min(range.len, bytes->size() - from);
    use(util::Bytes(*bytes).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(len)));
    range.offset += len;
    range.len -= len;
  }
}

void PlainView::read_inside(util::ByteRange range, const UseBytes& use) {
  util::Buffer buffer(static_cast<std::size_t>(std::min<std::uint64_t>(range.len, kPieceBytes)));
  while (range.len > 0) {
    const util::MutableBytes piece = util::MutableBytes(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(range.len, buffer.size())));
    util::pread_full(fd_.get(), piece, range.offset, name());
    use(piece);
    range.offset += piece.size();
    range.len -= piece.size();
  }
}

}  // namespace ondemand::view
