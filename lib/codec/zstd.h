// SPDX-License-Identifier: Apache-2.0
//
// zstd: single frames for blobs, and streams for layers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "util/bytes.h"
#include "util/stream.h"

namespace ondemand::codec {

// Explicit search parameters, each replacing what the level implies; 0 = what the level implies.
// Ranges are those of the library (ZSTD_cParam_getBounds); values outside are kUsage.
struct ZstdParameters {
  int window_log = 0;
  int chain_log = 0;
  int hash_log = 0;
  int search_log = 0;
  int min_match = 0;
  int target_length = 0;
  int strategy = 0;  // ZSTD_fast = 1 .. ZSTD_btultra2 = 9
};

inline constexpr int kDefaultZstdLevel = 3;

// Levels that the library knows (negative ones are its fast levels).
bool is_valid_zstd_level(int level);

// Makes one frame of each input: content size in the header, no checksum, no dictionary id.  The
// bytes depend on the input, the level, the parameters and the library's version, on nothing else.
// Thread: one user at a time; each worker has its own.
class FrameCompressor {
 public:
  // Throws kUsage for a level or parameter that the library does not take.
  explicit FrameCompressor(int level, const std::optional<ZstdParameters>& parameters = {});
  FrameCompressor(FrameCompressor&&) noexcept;
  FrameCompressor& operator=(FrameCompressor&&) noexcept;
  ~FrameCompressor();

  // Replaces `out` by the frame; its capacity is reused.
  void compress(util::Bytes in, util::Buffer& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Decompresses `stored`, which must be exactly one frame (not a skippable one) of exactly
// out.size() bytes.  `name` stands in messages.  Throws kCorrupt otherwise; `out` is then
// undefined. Thread: any; each thread keeps a context of its own.
void decompress_frame(util::Bytes stored, util::MutableBytes out, std::string_view name);

// A stream of frames, skippable ones included; contract in decompress.h.  Borrows `inner`.
class ZstdDecompressSource : public util::ByteSource {
 public:
  ZstdDecompressSource(util::ByteSource& inner, std::string name);
  ZstdDecompressSource(const ZstdDecompressSource&) = delete;
  ZstdDecompressSource& operator=(const ZstdDecompressSource&) = delete;
  ~ZstdDecompressSource() override;
  std::size_t read(util::MutableBytes out) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ondemand::codec
