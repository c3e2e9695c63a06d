// SPDX-License-Identifier: Apache-2.0
#include "blob/frame.h"

#include "codec/zstd.h"
#include "hash/sha256.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blob {

util::Buffer open_frame(const ChunkIndex& index, std::size_t i, util::Bytes stored,
                        std::string_view name) {
  using util::concat;
  using util::Error;
  using util::ErrorCode;
  const Frame frame = index.frame(i);
  const auto where = [&] {
    return concat(name, name.empty() ? "" : ": ", "frame ", i, " at 0x",
                  util::to_hex(frame.stored.offset));
  };
  if (hash::sha256(stored) != frame.checksum)
    throw Error(
        ErrorCode::kDigestMismatch,
        concat(where(), ": verify: its bytes have another digest than the chunk index says"));
  if (index.form() == StoredForm::kRaw) {
    if (stored.size() != frame.uncompressed.len)
      throw Error(ErrorCode::kCorrupt, concat(where(), ": check: raw frame of two lengths"));
    return {stored.begin(), stored.end()};
  }
  util::Buffer out(static_cast<std::size_t>(frame.uncompressed.len));
  codec::decompress_frame(stored, out, where());
  return out;
}

}  // namespace ondemand::blob
