// SPDX-License-Identifier: Apache-2.0
//
// From the bytes of files to extents on blobs: cut into chunks, digest them on worker threads,
// find duplicates, append what is new to the blob of the layer.  Everything is placed in the order
// in which it came, so that the number of threads never changes a byte.
//
// Thread: one user at a time; the pool may be shared.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "blob/blob_writer.h"
#include "chunk/chunker.h"
#include "chunk/dedup_index.h"
#include "image/file_sink.h"
#include "tree/node.h"
#include "util/buffer_pool.h"
#include "util/shared_bytes.h"
#include "util/thread_pool.h"

namespace ondemand::image {

// What becomes of chunks of zeros and of the holes of sparse files.
enum class ZeroChunks {
  kHole,  // nothing: they are in no blob
  kData,  // a chunk like any other, which all of its length share
};

// Ours: a small archive must not take any memory.  Chunks in the holes that are filled, of all
// files of an image together; each is an extent of its file until the bootstrap is written: 192
// MiB of them, at 64 KiB the holes of 512 GiB.
inline constexpr std::uint64_t kMaxFilledChunks = std::uint64_t{1} << 23;
static_assert(kMaxFilledChunks * sizeof(chunk::Extent) <= 256 * std::uint64_t{util::kMiB});

struct DataStats {
  std::uint64_t input_bytes = 0;   // of files, holes included
  std::uint64_t hole_bytes = 0;    // holes and whole chunks of zeros; 0 with ZeroChunks::kData
  std::uint64_t unique_bytes = 0;  // went into a blob of this image
  std::uint64_t shared_bytes = 0;  // were there already (in this image, or in a dictionary)
  std::uint64_t unique_chunks = 0;
  std::uint64_t shared_chunks = 0;
  // Of shared_bytes: what chunks of the same blob gave, and what each device gave that was there
  // before the blob was begun (by the number that begin_blob() or add_known() had).
  std::uint64_t shared_in_blob = 0;
  std::vector<std::uint64_t> shared_from;
};

class DataPipeline : public FileSink {
 public:
  // Called in file order for each piece of a file that is not a hole, before end_blob() returns.
  using Placed = std::function<void(tree::InodeId, const chunk::Extent&)>;

  // Takes a chunk that is not known yet and says where it lies on the device.  Zeros follow the
  // chunk in its memory, up to a whole block.
  using NewChunk = std::function<util::BlockAddr(const hash::Digest&, const util::SharedBytes&)>;

  // Range: chunk_size is a power of two >= 4096.  Borrows the pool.  With ZeroChunks::kData add()
  // and end_file() throw kTooLarge for holes that take more chunk entries than a file may
  // have, or more than kMaxFilledChunks; with `is_lossy` such a hole stays one, and its file is one
  // of too_sparse().
  DataPipeline(std::uint32_t chunk_size, std::size_t batches_in_flight, util::ThreadPool& pool,
               Placed placed, ZeroChunks zero_chunks = ZeroChunks::kHole, bool is_lossy = false);
  ~DataPipeline() override;

  // What one batch takes.
  static std::size_t batch_bytes(std::uint32_t chunk_size);

  // New chunks go to `writer` as device `device` until end_blob().  Borrows the writer.
  void begin_blob(blob::BlobWriter& writer, util::DeviceId device);
  // The same, to anything else than a blob.
  void begin_blob(NewChunk new_chunk, util::DeviceId device);
  // A chunk that some device has already.
  void add_known(const hash::Digest& digest, chunk::ChunkPosition position) {
    dedup_.add(digest, position);
  }
  void begin_file(tree::InodeId inode, std::uint64_t size) override;
  void add(std::uint64_t offset, util::Bytes bytes) override;
  void end_file() override;
  // Everything given so far is placed when it returns.
  void end_blob();

  const DataStats& stats() const { return stats_; }
  // The files with holes that could not be filled, and the chunk entries that each needs.
  using TooSparse = std::map<tree::InodeId, std::uint64_t>;
  const TooSparse& too_sparse() const { return too_sparse_; }

 private:
  struct Item {
    tree::InodeId inode;
    std::uint64_t file_offset;
    std::size_t start;  // in Batch::bytes; padded to whole blocks there
    std::size_t len;
    std::uint64_t repeats = 1;  // of the chunk, one behind the other in the file
    bool is_zero = false;       // and nothing is to be stored for it
    bool is_new = false;        // the bytes are stored for this item
    hash::Digest digest;
  };
  struct Batch {
    std::shared_ptr<util::Buffer> bytes;  // shared with the frames that are made of it
    std::vector<Item> items;
  };

  static void digest(Batch& batch, ZeroChunks zero_chunks);
  void take_chunk(std::uint64_t file_offset, util::Bytes bytes);
  void fill_hole(std::uint64_t end);
  void put_item(std::uint64_t file_offset, util::Bytes bytes, std::uint64_t repeats);
  void submit_batch();
  void place_one_batch();
  void keep_new_only(Batch& batch);
  void place(const Item& item, const std::shared_ptr<util::Buffer>& buffer);
  void start_batch();
  void count_shared(util::DeviceId device, std::size_t len, std::uint64_t times);

  const std::uint32_t chunk_size_;
  const std::size_t batches_in_flight_;
  util::ThreadPool& pool_;
  Placed placed_;
  const ZeroChunks zero_chunks_;
  const bool is_lossy_;
  chunk::Chunker chunker_;
  chunk::DedupIndex dedup_;
  NewChunk new_chunk_;
  util::DeviceId device_;
  tree::InodeId inode_ = 0;
  std::uint64_t emitted_ = 0;  // bytes of the current file that were no hole
  std::uint64_t file_size_ = 0;
  std::uint64_t next_ = 0;    // where the next chunk of the current file begins, or a hole
  std::uint64_t filled_ = 0;  // chunks in holes so far
  TooSparse too_sparse_;
  util::Buffer zeros_;  // a chunk, when one was needed
  util::BufferPool buffers_;
  std::shared_ptr<Batch> batch_;
  std::deque<std::future<std::shared_ptr<Batch>>> in_flight_;
  std::vector<std::shared_ptr<Batch>> spare_;
  DataStats stats_;
};

}  // namespace ondemand::image
