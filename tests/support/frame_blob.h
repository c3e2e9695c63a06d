// SPDX-License-Identifier: Apache-2.0
//
// A data blob for tests: content that tells its own offset, stored in frames of equal size.
#pragma once

#include <string>
#include <utility>

#include "codec/zstd.h"
#include "hash/sha256.h"
#include "serve/blob.h"
#include "serve/target.h"
#include "util/align.h"

namespace ondemand::test {

struct FrameBlob {
  util::Buffer data;    // kernel view
  util::Buffer stored;  // what a server holds
  serve::BlobRef blob;
};

// Each 8 bytes hold a number made of their position and of `seed`.
inline util::Buffer numbered_bytes(std::size_t size, std::uint64_t seed) {
  util::Buffer data(size);
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t word = (i / 8 + 1) * 0x9e3779b97f4a7c15ULL + seed;
    data[i] = static_cast<std::uint8_t>(word >> (8 * (i % 8)));
  }
  return data;
}

// `data` in frames of `frame_bytes` (the last may be shorter).
inline FrameBlob make_frame_blob(util::Buffer data, std::size_t frame_bytes,
                                 blob::StoredForm form = blob::StoredForm::kRaw) {
  FrameBlob made;
  blob::ChunkIndex index;
  index.set_form(form);
  codec::FrameCompressor compressor(1);
  for (std::size_t at = 0; at < data.size(); at += frame_bytes) {
    const util::Bytes piece =
        util::Bytes(data).subspan(at, std::min(frame_bytes, data.size() - at));
    util::Buffer frame(piece.begin(), piece.end());
    if (form == blob::StoredForm::kZstd) compressor.compress(piece, frame);
    index.append(frame.size(), piece.size(), hash::sha256(frame));
    made.stored.insert(made.stored.end(), frame.begin(), frame.end());
  }
  const std::uint64_t size = util::round_up<std::uint64_t>(data.size(), serve::kBlockBytes);
  made.blob = serve::make_blob(hash::sha256(made.stored), size, std::move(index));
  made.data = std::move(data);
  return made;
}

}  // namespace ondemand::test
