// SPDX-License-Identifier: Apache-2.0
#include "blob/blob_writer.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "chunk/extent.h"
#include "codec/zstd.h"
#include "util/align.h"
#include "util/error.h"

namespace ondemand::blob {

using chunk::kBlockSize;

namespace {

// At the default level zstd's own table depends on the size of the input; these parameters do not,
// and their tables (512 KiB) leave room for the frame in a second-level cache (doc/DECISIONS.md).
codec::FrameCompressor make_compressor(int level) {
  if (level != codec::kDefaultZstdLevel) return codec::FrameCompressor(level);
  codec::ZstdParameters parameters;
  parameters.chain_log = 16;
  parameters.hash_log = 16;
  parameters.min_match = 4;
  parameters.strategy = 2;  // ZSTD_dfast
  return codec::FrameCompressor(level, parameters);
}

}  // namespace

// Compression contexts are costly to make; each is used by one frame at a time.
class FrameCodec {
 public:
  explicit FrameCodec(int level) : level_(level) {}

  void compress(util::Bytes in, util::Buffer& out) {
    auto compressor = take();
    compressor->compress(in, out);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(compressor));
  }

 private:
  std::unique_ptr<codec::FrameCompressor> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<codec::FrameCompressor>(make_compressor(level_));
    auto compressor = std::move(idle_.back());
    idle_.pop_back();
    return compressor;
  }

  const int level_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<codec::FrameCompressor>> idle_;
};

BlobWriter::BlobWriter(util::ByteSink& out, const BlobOptions& options, util::ThreadPool& pool,
                       hash::DigestQueue& digests)
    : out_(out),
      options_(options),
      pool_(pool),
      digests_(digests),
      codec_(std::make_unique<FrameCodec>(options.zstd_level)) {
  ASSERT(options.frame_size >= kBlockSize && options.frame_size % kBlockSize == 0);
  ASSERT(options.frame_size <= ChunkIndex::kMaxFrameBytes);
}

BlobWriter::~BlobWriter() {
  // Tasks on the pool use codec_, those of the queue our digests: none may outlive this object,
  // also when an exception unwinds it.
  for (auto& frame : in_flight_)
    frame.stored.wait();
  digests_.wait();
}

util::BlockAddr BlobWriter::append(util::SharedBytes blocks) {
  util::Bytes rest = blocks.bytes;
  ASSERT(!rest.empty() && rest.size() % kBlockSize == 0);
  const util::BlockAddr start{nblocks_};
  nblocks_ = util::narrow<std::uint32_t>(nblocks_ + rest.size() / kBlockSize);
  if (frame_len() > 0 && frame_len() + rest.size() > options_.frame_size) cut_frame();
  while (!rest.empty()) {
    // A chunk above the frame size is split; any other goes in whole.
    const std::size_t len = std::min(rest.size(), options_.frame_size - frame_len());
    add_to_frame(blocks.owner, rest.first(len));
    rest = rest.subspan(len);
    if (frame_len() == options_.frame_size) cut_frame();
  }
  return start;
}

util::BlockAddr BlobWriter::append(util::Bytes chunk) {
  ASSERT(!chunk.empty());
  SharedBuffer copy = buffers_.take();
  copy->assign(chunk.begin(), chunk.end());
  copy->resize(util::round_up(chunk.size(), std::size_t{kBlockSize}));
  return append(util::SharedBytes(std::move(copy)));
}

void BlobWriter::add_to_frame(const std::shared_ptr<const void>& owner, util::Bytes bytes) {
  if (frame_len() == 0) {
    run_ = {owner, bytes};
    return;
  }
  if (!gathered_ && run_.owner == owner && run_.bytes.data() + run_.bytes.size() == bytes.data()) {
    run_.bytes = {run_.bytes.data(), run_.bytes.size() + bytes.size()};
    return;
  }
  if (!gathered_) {
    gathered_ = buffers_.take();
    gathered_->reserve(options_.frame_size);
    gathered_->assign(run_.bytes.begin(), run_.bytes.end());
    run_ = {};
  }
  gathered_->insert(gathered_->end(), bytes.begin(), bytes.end());
}

void BlobWriter::cut_frame() {
  util::SharedBytes view = std::exchange(run_, {});
  if (gathered_) view = util::SharedBytes(std::exchange(gathered_, nullptr));
  const std::uint64_t view_len = view.bytes.size();
  if (options_.form == StoredForm::kRaw) {
    store(std::move(view), view_len);
    return;
  }
  if (in_flight_.size() >= options_.frames_in_flight) consume_one();
  digests_.update(view_sha_, view);
  auto task = [this, view = std::move(view), stored = buffers_.take()]() mutable {
    codec_->compress(view.bytes, *stored);
    view = {};  // not when the future goes, which waits for its turn
    return std::move(stored);
  };
  in_flight_.push_back({pool_.submit(std::move(task)), view_len});
}

void BlobWriter::consume_one() {
  InFlight next = std::move(in_flight_.front());
  in_flight_.pop_front();
  store(next.stored.get(), next.view_len);  // get() may throw what the task threw
}

void BlobWriter::store(util::SharedBytes stored, std::uint64_t view_len) {
  out_.write(stored.bytes);
  StoredFrame& frame = frames_.emplace_back();
  frame.stored_len = stored.bytes.size();
  frame.view_len = view_len;
  digests_.update(stored_sha_, stored);
  digests_.digest(std::move(stored), frame.checksum);
}

BlobResult BlobWriter::finish() {
  if (frame_len() > 0) cut_frame();
  while (!in_flight_.empty())
    consume_one();
  digests_.flush();
  BlobResult result;
  result.index.set_form(options_.form);
  for (const StoredFrame& frame : frames_)
    result.index.append(frame.stored_len, frame.view_len, frame.checksum);
  frames_.clear();
  result.digest = stored_sha_.finish();
  result.uncompressed_digest =
      options_.form == StoredForm::kZstd ? view_sha_.finish() : result.digest;
  result.stored_size = result.index.stored_end();
  result.nblocks = nblocks_;
  return result;
}

}  // namespace ondemand::blob
