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

// At the default level and the default frame size zstd's own table picks parameters for inputs of
// up to 256 KiB; these compress a Debian root as well and do not change with the size of a frame.
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

BlobWriter::BlobWriter(util::ByteSink& out, const BlobOptions& options, util::ThreadPool& pool)
    : out_(out),
      options_(options),
      pool_(pool),
      codec_(std::make_unique<FrameCodec>(options.zstd_level)) {
  ASSERT(options.frame_size >= kBlockSize && options.frame_size % kBlockSize == 0);
  ASSERT(options.frame_size <= ChunkIndex::kMaxFrameBytes);
  index_.set_form(options.form);
  frame_ = take_buffer();
}

BlobWriter::~BlobWriter() {
  // Tasks on the pool use codec_: none may outlive this object, also when an exception unwinds it.
  for (auto& future : in_flight_)
    future.wait();
}

util::BlockAddr BlobWriter::append(util::Bytes chunk) {
  ASSERT(!chunk.empty());
  const util::BlockAddr start{nblocks_};
  const std::uint64_t padded =
      util::round_up(std::uint64_t{chunk.size()}, std::uint64_t{kBlockSize});
  nblocks_ = util::narrow<std::uint32_t>(std::uint64_t{nblocks_} + padded / kBlockSize);
  if (!frame_.empty() && frame_.size() + padded > options_.frame_size) cut_frame();
  std::uint64_t padding = padded - chunk.size();
  while (!chunk.empty()) {
    // A chunk above the frame size is split; any other goes in whole.
    const std::size_t len =
        std::min<std::size_t>(chunk.size(), options_.frame_size - frame_.size());
    frame_.insert(frame_.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(len));
    chunk = chunk.subspan(len);
    if (chunk.empty()) frame_.resize(frame_.size() + std::exchange(padding, 0));
    if (frame_.size() == options_.frame_size) cut_frame();
  }
  return start;
}

util::Buffer BlobWriter::take_buffer() {
  util::Buffer buffer;
  if (!spare_.empty()) {
    buffer = std::move(spare_.back());
    spare_.pop_back();
    buffer.clear();
  }
  buffer.reserve(options_.frame_size);
  return buffer;
}

void BlobWriter::cut_frame() {
  if (in_flight_.size() >= options_.frames_in_flight) consume_one();
  auto view = std::make_shared<util::Buffer>(std::exchange(frame_, take_buffer()));
  if (options_.form == StoredForm::kZstd) view_sha_.update(*view);
  in_flight_.push_back(pool_.submit([this, view] {
    Stored result;
    if (options_.form == StoredForm::kZstd) codec_->compress(*view, result.stored);
    result.checksum = hash::sha256(options_.form == StoredForm::kZstd ? result.stored : *view);
    result.view = std::move(*view);
    return result;
  }));
}

void BlobWriter::consume_one() {
  std::future<Stored> next = std::move(in_flight_.front());
  in_flight_.pop_front();
  Stored done = next.get();  // may throw what the task threw
  const util::Bytes stored = options_.form == StoredForm::kZstd ? done.stored : done.view;
  stored_sha_.update(stored);
  out_.write(stored);
  index_.append(stored.size(), done.view.size(), done.checksum);
  spare_.push_back(std::move(done.view));
}

BlobResult BlobWriter::finish() {
  if (!frame_.empty()) cut_frame();
  while (!in_flight_.empty())
    consume_one();
  BlobResult result;
  result.digest = stored_sha_.finish();
  result.uncompressed_digest =
      options_.form == StoredForm::kZstd ? view_sha_.finish() : result.digest;
  result.stored_size = index_.stored_end();
  result.nblocks = nblocks_;
  result.index = std::move(index_);
  return result;
}

}  // namespace ondemand::blob
