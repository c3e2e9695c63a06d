// SPDX-License-Identifier: Apache-2.0
//
// Writes one data blob: chunks in, frames out.  Chunks are padded to blocks and laid behind each
// other (the kernel view); whole consecutive chunks are gathered into frames, which worker threads
// compress and digest and which are written in order, so that threads never change a byte.
//
// Thread: one user at a time; the pool may be shared by several writers.
#pragma once

#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "blob/chunk_index.h"
#include "hash/digest_queue.h"
#include "hash/sha256.h"
#include "util/buffer_pool.h"
#include "util/bytes.h"
#include "util/shared_bytes.h"
#include "util/stream.h"
#include "util/thread_pool.h"
#include "util/units.h"

namespace ondemand::blob {

struct BlobOptions {
  StoredForm form = StoredForm::kZstd;
  int zstd_level = 3;
  std::uint32_t frame_size = 256 * util::kKiB;  // target, kernel view; a multiple of 4096
  std::size_t frames_in_flight = 8;             // bounds memory
};

struct BlobResult {
  hash::Digest digest;               // of the stored bytes: the blob's name
  hash::Digest uncompressed_digest;  // of the kernel view (equal to `digest` for kRaw)
  std::uint64_t stored_size = 0;
  std::uint32_t nblocks = 0;  // kernel view
  ChunkIndex index;
};

class FrameCodec;

class BlobWriter {
 public:
  // Borrows the sink (for stored bytes), the pool and the queue.
  BlobWriter(util::ByteSink& out, const BlobOptions& options, util::ThreadPool& pool,
             hash::DigestQueue& digests);
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  // Appends whole blocks and returns where they begin.  Nothing is copied where the chunks of a
  // frame lie behind each other in the same memory.  Range: whole blocks, not none.
  // Throws kTooLarge beyond 2^32 - 1 blocks.
  util::BlockAddr append(util::SharedBytes blocks);
  // The same for a copy of the bytes, padded to whole blocks.  Range: not empty.
  util::BlockAddr append(util::Bytes chunk);
  std::uint32_t nblocks() const { return nblocks_; }
  // Nothing may be appended any more.
  BlobResult finish();

 private:
  using SharedBuffer = std::shared_ptr<util::Buffer>;
  struct StoredFrame {
    std::uint64_t stored_len = 0;
    std::uint64_t view_len = 0;
    hash::Digest checksum;
  };
  struct InFlight {
    std::future<SharedBuffer> stored;
    std::uint64_t view_len = 0;
  };

  std::size_t frame_len() const { return run_.bytes.size() + (gathered_ ? gathered_->size() : 0); }
  void add_to_frame(const std::shared_ptr<const void>& owner, util::Bytes bytes);
  void cut_frame();
  void consume_one();
  void store(util::SharedBytes stored, std::uint64_t view_len);

  util::ByteSink& out_;
  const BlobOptions options_;
  util::ThreadPool& pool_;
  hash::DigestQueue& digests_;
  std::unique_ptr<FrameCodec> codec_;
  util::BufferPool buffers_;
  // The frame in the making: either a run of the chunks' own memory or gathered.
  util::SharedBytes run_;
  SharedBuffer gathered_;
  std::deque<InFlight> in_flight_;
  std::deque<StoredFrame> frames_;  // all so far; the queue fills in their checksums where they lie
  hash::Sha256 stored_sha_;
  hash::Sha256 view_sha_;
  std::uint32_t nblocks_ = 0;
};

}  // namespace ondemand::blob
