// SPDX-License-Identifier: Apache-2.0
#include "serve/blob.h"

#include "serve/target.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::serve {

BlobRef make_blob(const hash::Digest& digest, std::uint64_t size, blob::ChunkIndex index) {
  using util::concat;
  if (!util::is_aligned(size, kBlockBytes)) {
    throw util::Error(
        util::ErrorCode::kCorrupt,
        concat("blob ", digest.hex(), ": check size: ", size, " is not whole blocks"));
  }
  if (util::round_up(index.uncompressed_size(), kBlockBytes) > size) {
    throw util::Error(util::ErrorCode::kCorrupt,
                      concat("blob ", digest.hex(), ": check chunk index: it describes ",
                             index.uncompressed_size(), " bytes, the backing file holds ", size));
  }
  for (std::size_t i = 0; i < index.size(); ++i) {
    const std::uint64_t offset = index.frame(i).uncompressed.offset;
    if (!util::is_aligned(offset, kBlockBytes)) {
      throw util::Error(util::ErrorCode::kUnsupported,
                        concat("blob ", digest.hex(), ": check chunk index: frame ", i,
                               " begins inside a block, at 0x", util::to_hex(offset)));
    }
  }
  return std::make_shared<const Blob>(Blob{digest, size, std::move(index)});
}

util::ByteRange frame_blocks(const Blob& blob, std::size_t frame) {
  const util::ByteRange range = blob.index.frame(frame).uncompressed;
  return {range.offset, util::round_up(range.len, kBlockBytes)};
}

bool is_same_frame(const Blob& a, const Blob& b, std::size_t frame) {
  if (&a == &b) return true;
  if (frame >= a.index.size() || frame >= b.index.size() || a.index.form() != b.index.form())
    return false;
  const blob::Frame ours = a.index.frame(frame);
  const blob::Frame theirs = b.index.frame(frame);
  return ours.stored == theirs.stored && ours.uncompressed == theirs.uncompressed &&
         ours.checksum == theirs.checksum;
}

}  // namespace ondemand::serve
