// SPDX-License-Identifier: Apache-2.0
#include "image/data_pipeline.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "erofs/chunk_layout.h"
#include "hash/sha256.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::image {

namespace {

// One task digests about this much, so that queues cost nothing beside the work.
constexpr std::size_t kBatchBytes = 1024 * std::size_t{util::kKiB};
constexpr std::size_t kBatchItems = 1024;

bool all_zero(util::Bytes bytes) {
  // Comparing the block with itself, shifted by one, is as fast as memcmp.
  return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

DataPipeline::DataPipeline(std::uint32_t chunk_size, std::size_t batches_in_flight,
                           util::ThreadPool& pool, Placed placed, ZeroChunks zero_chunks,
                           bool is_lossy)
    : chunk_size_(chunk_size),
      batches_in_flight_(batches_in_flight),
      pool_(pool),
      placed_(std::move(placed)),
      zero_chunks_(zero_chunks),
      is_lossy_(is_lossy),
      chunker_(chunk_size,
               [this](std::uint64_t offset, util::Bytes bytes) { take_chunk(offset, bytes); }) {
  start_batch();
}

std::size_t DataPipeline::batch_bytes(std::uint32_t chunk_size) {
  return std::max<std::size_t>(kBatchBytes, chunk_size);
}

DataPipeline::~DataPipeline() {
  for (auto& future : in_flight_)
    future.wait();
}

void DataPipeline::begin_blob(blob::BlobWriter& writer, util::DeviceId device) {
  const auto append = [&writer](const hash::Digest&, const util::SharedBytes& chunk) {
    const std::size_t padded = util::round_up(chunk.bytes.size(), std::size_t{chunk::kBlockSize});
    return writer.append({chunk.owner, {chunk.bytes.data(), padded}});
  };
  begin_blob(append, device);
}

void DataPipeline::begin_blob(NewChunk new_chunk, util::DeviceId device) {
  new_chunk_ = std::move(new_chunk);
  device_ = device;
}

void DataPipeline::begin_file(tree::InodeId inode, std::uint64_t size) {
  inode_ = inode;
  emitted_ = 0;
  file_size_ = size;
  next_ = 0;
  chunker_.begin_file(size);
}

void DataPipeline::add(std::uint64_t offset, util::Bytes bytes) {
  chunker_.add(offset, bytes);
}

void DataPipeline::end_file() {
  chunker_.end_file();
  fill_hole(file_size_);
  stats_.input_bytes += file_size_;
  stats_.hole_bytes += file_size_ - emitted_;
}

void DataPipeline::end_blob() {
  submit_batch();
  while (!in_flight_.empty())
    place_one_batch();
  new_chunk_ = nullptr;
}

void DataPipeline::take_chunk(std::uint64_t file_offset, util::Bytes bytes) {
  fill_hole(file_offset);
  next_ = file_offset + bytes.size();
  put_item(file_offset, bytes, 1);
}

// A hole of a sparse file up to `end`, as chunks: one is digested, however many there are.
void DataPipeline::fill_hole(std::uint64_t end) {
  if (zero_chunks_ == ZeroChunks::kHole || next_ >= end) return;
  const std::uint64_t start = std::exchange(next_, end);
  const std::uint64_t whole = (end - start) / chunk_size_;
  const auto rest = static_cast<std::size_t>((end - start) % chunk_size_);
  // No chunk entry can reach over two of them, so the file takes an entry for every chunk.
  const bool is_too_long = whole > 1 && util::div_round_up(file_size_, std::uint64_t{chunk_size_}) >
                                            erofs::kMaxChunkEntries;
  const bool is_too_many = whole > kMaxFilledChunks - filled_;
  if ((is_too_long || is_too_many) && is_lossy_) {
    too_sparse_[inode_] = util::div_round_up(file_size_, std::uint64_t{chunk_size_});
    return;
  }
  if (is_too_long || is_too_many)
    throw util::Error(
        util::ErrorCode::kTooLarge,
        util::concat("sparse file of ", file_size_, " bytes: fill its holes: more than ",
                     is_too_long ? erofs::kMaxChunkEntries : kMaxFilledChunks,
                     is_too_long ? " chunk entries in a file" : " chunks in all holes of an image",
                     "; '--zero-chunks hole' or a larger --chunk-size takes fewer"));
  filled_ += whole;
  if (zeros_.empty()) zeros_.resize(chunk_size_);
  if (whole > 0) put_item(start, zeros_, whole);
  if (rest > 0) put_item(end - rest, util::Bytes(zeros_).first(rest), 1);
}

void DataPipeline::put_item(std::uint64_t file_offset, util::Bytes bytes, std::uint64_t repeats) {
  emitted_ += bytes.size() * repeats;
  const std::size_t padded = util::round_up(bytes.size(), std::size_t{chunk::kBlockSize});
  if (batch_->bytes->size() + padded > batch_bytes(chunk_size_) ||
      batch_->items.size() == kBatchItems)
    submit_batch();
  util::Buffer& buffer = *batch_->bytes;
  Item item;
  item.inode = inode_;
  item.file_offset = file_offset;
  item.start = buffer.size();
  item.len = bytes.size();
  item.repeats = repeats;
  buffer.insert(buffer.end(), bytes.begin(), bytes.end());
  buffer.resize(item.start + padded);
  batch_->items.push_back(item);
}

void DataPipeline::digest(Batch& batch, ZeroChunks zero_chunks) {
  std::vector<hash::Sha256Message> messages;
  messages.reserve(batch.items.size());
  for (Item& item : batch.items) {
    const util::Bytes bytes = util::Bytes(*batch.bytes).subspan(item.start, item.len);
    item.is_zero = zero_chunks == ZeroChunks::kHole && all_zero(bytes);
    if (!item.is_zero) messages.push_back({bytes, &item.digest});
  }
  hash::sha256_together({}, messages);
}

void DataPipeline::submit_batch() {
  if (batch_->items.empty()) return;
  if (in_flight_.size() >= batches_in_flight_) place_one_batch();
  in_flight_.push_back(pool_.submit([batch = std::move(batch_), zero_chunks = zero_chunks_] {
    digest(*batch, zero_chunks);
    return batch;
  }));
  start_batch();
}

void DataPipeline::start_batch() {
  if (spare_.empty()) {
    batch_ = std::make_shared<Batch>();
  } else {
    batch_ = std::move(spare_.back());
    spare_.pop_back();
    batch_->items.clear();
  }
  batch_->bytes = buffers_.take();
  batch_->bytes->reserve(batch_bytes(chunk_size_));
}

void DataPipeline::place_one_batch() {
  auto next = std::move(in_flight_.front());
  in_flight_.pop_front();
  std::shared_ptr<Batch> batch = next.get();  // may throw what the task threw
  keep_new_only(*batch);
  for (const Item& item : batch->items)
    place(item, batch->bytes);
  batch->bytes.reset();
  spare_.push_back(std::move(batch));
}

// Whoever takes a chunk holds all of the memory in which it lies.  Where most of a batch is zeros
// or known already, what is new moves to memory of its own size.
void DataPipeline::keep_new_only(Batch& batch) {
  std::vector<const hash::Digest*> fresh;
  std::size_t used = 0;
  for (Item& item : batch.items) {
    item.is_new = !item.is_zero && !dedup_.find(item.digest);
    if (item.is_new) fresh.push_back(&item.digest);
  }
  const auto is_less = [](const hash::Digest* a, const hash::Digest* b) { return *a < *b; };
  std::stable_sort(fresh.begin(), fresh.end(), is_less);
  for (Item& item : batch.items) {
    if (!item.is_new) continue;
    // Of equal chunks, the first in file order is the one that will be stored.
    item.is_new =
        *std::lower_bound(fresh.begin(), fresh.end(), &item.digest, is_less) == &item.digest;
    if (item.is_new) used += util::round_up(item.len, std::size_t{chunk::kBlockSize});
  }
  if (used > batch.bytes->capacity() / 2) return;
  auto kept = std::make_shared<util::Buffer>();
  kept->reserve(used);
  for (Item& item : batch.items) {
    if (!item.is_new) continue;
    const std::size_t padded = util::round_up(item.len, std::size_t{chunk::kBlockSize});
    const auto from = batch.bytes->begin() + static_cast<std::ptrdiff_t>(item.start);
    item.start = kept->size();
    kept->insert(kept->end(), from, from + static_cast<std::ptrdiff_t>(padded));
  }
  batch.bytes = std::move(kept);
}

void DataPipeline::count_shared(util::DeviceId device, std::size_t len, std::uint64_t times) {
  stats_.shared_bytes += len * times;
  stats_.shared_chunks += times;
  if (device == device_) {
    stats_.shared_in_blob += len * times;
    return;
  }
  if (stats_.shared_from.size() <= device.value) stats_.shared_from.resize(device.value + 1U);
  stats_.shared_from[device.value] += len * times;
}

void DataPipeline::place(const Item& item, const std::shared_ptr<util::Buffer>& buffer) {
  if (item.is_zero) {
    stats_.hole_bytes += item.len;
    return;
  }
  const auto nblocks = util::div_round_up(item.len, std::size_t{chunk::kBlockSize});
  auto position = dedup_.find(item.digest);
  const std::uint64_t nshared = item.repeats - (position ? 0 : 1);
  if (!position) {
    const util::Bytes bytes = util::Bytes(*buffer).subspan(item.start, item.len);
    position = chunk::ChunkPosition{new_chunk_(item.digest, {buffer, bytes}), device_};
    dedup_.add(item.digest, *position);
    stats_.unique_bytes += item.len;
    ++stats_.unique_chunks;
  }
  if (nshared > 0) count_shared(position->device, item.len, nshared);
  chunk::Extent extent{item.file_offset / chunk::kBlockSize, static_cast<std::uint32_t>(nblocks),
                       position->start, position->device};
  for (std::uint64_t i = 0; i < item.repeats; ++i, extent.file_block += nblocks)
    placed_(item.inode, extent);
}

}  // namespace ondemand::image
