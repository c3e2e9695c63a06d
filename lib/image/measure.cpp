// SPDX-License-Identifier: Apache-2.0
#include "image/measure.h"

#include <algorithm>
#include <deque>
#include <memory>

#include "blob/blob_writer.h"
#include "codec/zstd.h"
#include "erofs/bootstrap_writer.h"
#include "hash/digest_queue.h"
#include "image/data_pipeline.h"
#include "image/layer_reader.h"
#include "tree/tree_builder.h"
#include "util/align.h"
#include "util/mapped_file.h"
#include "util/thread_pool.h"

namespace ondemand::image {

namespace {

constexpr std::size_t kFramesInFlight = 4;
constexpr std::size_t kBatchesInFlight = 4;
// The bootstrap is compressed in pieces of this size, as the builder does.
constexpr std::size_t kBootstrapFrame = 4 * std::size_t{util::kMiB};
constexpr std::size_t kTagDigits = 64;

class CountingSink : public util::ByteSink {
 public:
  void write(util::Bytes bytes) override { size += bytes.size(); }
  std::uint64_t size = 0;
};

std::uint64_t compressed_size(util::Bytes bytes) {
  codec::FrameCompressor compressor(codec::kDefaultZstdLevel);
  util::Buffer frame;
  std::uint64_t size = 0;
  while (!bytes.empty()) {
    const util::Bytes piece = bytes.first(std::min(bytes.size(), kBootstrapFrame));
    compressor.compress(piece, frame);
    size += frame.size();
    bytes = bytes.subspan(piece.size());
  }
  return size;
}

// The data of one image, framed and compressed in every way at once.
class Writers {
 public:
  Writers(const MeasureOptions& options, util::ThreadPool& pool, hash::DigestQueue& digests) {
    for (const std::uint32_t frame_size : options.frame_sizes)
      for (const int level : options.levels) {
        blob::BlobOptions blob;
        blob.form = level == 0 ? blob::StoredForm::kRaw : blob::StoredForm::kZstd;
        blob.zstd_level = level == 0 ? codec::kDefaultZstdLevel : level;
        blob.frame_size = frame_size;
        blob.frames_in_flight = kFramesInFlight;
        StoredMeasure measure;
        measure.frame_size = frame_size;
        measure.level = level;
        measures_.push_back(measure);
        sinks_.emplace_back();
        writers_.push_back(std::make_unique<blob::BlobWriter>(sinks_.back(), blob, pool, digests));
      }
  }

  // Where the chunk lies in the kernel view, which no framing changes.
  util::BlockAddr append(util::Bytes bytes) {
    util::BlockAddr start;
    for (const auto& writer : writers_)
      start = writer->append(bytes);
    return start;
  }

  std::uint32_t nblocks() const { return writers_.front()->nblocks(); }

  std::vector<StoredMeasure> finish() {
    for (std::size_t i = 0; i < writers_.size(); ++i) {
      const blob::BlobResult result = writers_[i]->finish();
      measures_[i].frames = result.index.size();
      measures_[i].stored_bytes = sinks_[i].size;
      measures_[i].index_bytes = result.index.encode().size();
    }
    return std::move(measures_);
  }

 private:
  std::deque<CountingSink> sinks_;  // stay where they are
  std::vector<std::unique_ptr<blob::BlobWriter>> writers_;
  std::vector<StoredMeasure> measures_;
};

// All images at one chunk size.
class Pass {
 public:
  Pass(std::uint32_t chunk_size, const MeasureOptions& options, util::ThreadPool& pool)
      : options_(options),
        chunk_size_(chunk_size),
        pool_(pool),
        digests_(pool),
        data_(chunk_size, kBatchesInFlight, pool,
              [this](tree::InodeId inode, const chunk::Extent& extent) {
                chunk::append_extent(builder_->inode(inode).extents, extent);
              }) {}

  ChunkMeasure add(const input::ImageInput& image, std::vector<std::string>& warnings) {
    const DataStats before = data_.stats();
    tree::TreeBuilder builder;
    builder_ = &builder;
    LayerReader reader(builder, warnings);
    Writers writers(options_, pool_, digests_);
    const auto append = [&writers](const hash::Digest&, const util::SharedBytes& chunk) {
      return writers.append(chunk.bytes);
    };
    data_.begin_blob(append, {util::narrow<std::uint16_t>(devices_.size() + 1)});
    for (const input::Layer& layer : image.layers)
      reader.read(layer, &data_);
    data_.end_blob();
    devices_.push_back({std::string(kTagDigits, '0'), writers.nblocks()});

    ChunkMeasure measure;
    measure.chunk_size = chunk_size_;
    measure.stored = writers.finish();
    const DataStats& after = data_.stats();
    measure.input_bytes = after.input_bytes - before.input_bytes;
    measure.hole_bytes = after.hole_bytes - before.hole_bytes;
    measure.unique_chunks = after.unique_chunks - before.unique_chunks;
    measure.unique_bytes = after.unique_bytes - before.unique_bytes;
    measure.chunks = measure.unique_chunks + after.shared_chunks - before.shared_chunks;
    measure_bootstrap(builder.finish(), measure);
    return measure;
  }

 private:
  void measure_bootstrap(const tree::Tree& tree, ChunkMeasure& measure) const {
    erofs::BootstrapOptions options;
    options.devices = devices_;
    const util::Fd fd = input::open_unlinked_file(options_.temporary);
    const erofs::BootstrapResult written =
        erofs::write_bootstrap(tree, options, fd.get(), "bootstrap");
    measure.inodes = written.inodes;
    measure.bootstrap_bytes = written.size_bytes;
    measure.bootstrap_stored_bytes =
        compressed_size(util::MappedFile(fd.get(), "bootstrap").bytes());
  }

  const MeasureOptions& options_;
  const std::uint32_t chunk_size_;
  util::ThreadPool& pool_;
  hash::DigestQueue digests_;
  tree::TreeBuilder* builder_ = nullptr;    // of the image that is read
  std::vector<erofs::BlobDevice> devices_;  // one for each image so far
  DataPipeline data_;
};

}  // namespace

std::vector<ImageMeasure> measure_images(const std::vector<input::ImageInput>& images,
                                         const MeasureOptions& options) {
  std::vector<ImageMeasure> out;
  for (const input::ImageInput& image : images)
    out.push_back({image.name, {}, {}});
  const std::size_t writers = options.frame_sizes.size() * options.levels.size();
  util::ThreadPool pool(options.jobs, options.jobs * kBatchesInFlight + writers * kFramesInFlight);
  for (const std::uint32_t chunk_size : options.chunk_sizes) {
    Pass pass(chunk_size, options, pool);
    for (std::size_t i = 0; i < images.size(); ++i) {
      std::vector<std::string> warnings;  // the same in every pass
      out[i].chunks.push_back(pass.add(images[i], warnings));
      out[i].warnings = std::move(warnings);
    }
  }
  return out;
}

}  // namespace ondemand::image
