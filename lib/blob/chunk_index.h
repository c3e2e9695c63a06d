// SPDX-License-Identifier: Apache-2.0
//
// How the kernel view of a data blob is stored: a list of frames, each the unit of fetch,
// verification and decompression.  Bytes <-> value; the byte form is format/chunk_index_ondisk.h.
//
// Thread: a finished index is immutable and may be read from anywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::blob {

enum class StoredForm : std::uint8_t { kRaw = 0, kZstd = 1 };

// Both ranges are never empty and continue those of the frame before.
struct Frame {
  util::ByteRange stored;        // in the blob as the server holds it
  util::ByteRange uncompressed;  // in the kernel view
  hash::Digest checksum;         // SHA-256 of the stored bytes
};

class ChunkIndex {
 public:
  // Largest frame (either side) that is taken: what one fetch may need in memory.
  static constexpr std::uint64_t kMaxFrameBytes = 64 * std::uint64_t{util::kMiB};

  ChunkIndex() = default;

  // `stored_end`: where the last frame ends, i.e. the size of the blob, or the start of the index
  // where it is embedded in the blob.
  // Throws kCorrupt for bytes that break the format; kUnsupported for what the specification
  // allows and we cannot use (unknown compression or flags, no SHA-256 checksums), kTooLarge for
  // frames above kMaxFrameBytes: a consumer then falls back to reading the whole blob.
  static ChunkIndex decode(util::Bytes payload, std::string_view name, std::uint64_t stored_end);
  util::Buffer encode() const;

  // Appends the next frame; both positions continue by themselves.  Range: lengths > 0.
  void append(std::uint64_t stored_len, std::uint64_t uncompressed_len,
              const hash::Digest& checksum);
  void set_form(StoredForm form) { form_ = form; }

  StoredForm form() const { return form_; }
  std::uint64_t uncompressed_size() const;
  std::uint64_t stored_end() const;
  std::size_t size() const { return entries_.size(); }
  Frame frame(std::size_t i) const;
  // The frame that holds the byte.  Range: offset < uncompressed_size() (asserted).
  std::size_t find(std::uint64_t uncompressed_offset) const;

 private:
  struct Entry {
    std::uint64_t stored_end;
    std::uint64_t uncompressed_end;
    hash::Digest checksum;
  };
  StoredForm form_ = StoredForm::kRaw;
  std::uint64_t stored_start_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace ondemand::blob
