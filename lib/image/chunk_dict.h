// SPDX-License-Identifier: Apache-2.0
//
// The chunks of images that a store holds already, by digest: what `--chunk-dict` deduplicates
// against.  An image says where the pieces of its files lie, not what their digests are; so their
// bytes are read from the store, each frame verified, and digested.  That takes any image in the
// EROFS image layer format, whatever its chunk size, frame size and compression.
//
// A blob also holds what a higher layer replaced or removed, of which no image says where it
// begins.  So each block that no file names is kept as a place where a chunk may begin, and the
// bytes decide.
//
// Thread: one user at a time; find() from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "blob/chunk_index.h"
#include "hash/digest.h"
#include "image/view_reader.h"
#include "oci/erofs_image.h"
#include "store/store.h"
#include "util/thread_pool.h"
#include "view/frame_cache.h"

namespace ondemand::image {

// A data blob of a dictionary image.
struct DictBlob {
  std::string ref;         // the image that it was found in first
  oci::DeviceBlob device;  // as that image's manifest lists it; it has a standalone index
  blob::ChunkIndex index;
};

struct DictChunk {
  hash::Digest digest;     // of the bytes, without the padding
  std::uint32_t blob = 0;  // position in ChunkDict::blobs()
  util::BlockAddr start;
  auto operator<=>(const DictChunk&) const = default;
};

class ChunkDict {
 public:
  // Reads the images `refs` (names or digests), in this order.  `chunk_size` is that of the image
  // to be made: only pieces at multiples of it can be found again.
  // Throws kNotFound when the store has no such image; kUnsupported for one that cannot be referred
  // to (no EROFS image, blocks other than 4 KiB, a blob without a standalone chunk index);
  // kCorrupt, kDigestMismatch, kTooLarge, kIo.  Uncompressed bootstraps go to files without a name
  // in `temporary`.
  ChunkDict(const store::Store& store, const std::vector<std::string>& refs,
            std::uint32_t chunk_size, util::ThreadPool& pool,
            const std::filesystem::path& temporary);

  // Each blob once, in the order of the images and of their device tables.
  const std::vector<DictBlob>& blobs() const { return blobs_; }
  // Every place of a chunk; places in earlier blobs first.
  std::span<const DictChunk> find(const hash::Digest& digest) const;
  // A place of these bytes in what no file names; compared byte for byte.  May miss one: what is
  // decompressed in vain is bounded by kHiddenCredit and twice the bytes that were asked for.
  std::optional<DictChunk> find_hidden(const hash::Digest& digest, util::Bytes bytes);
  // Unit: bytes.  What find_hidden() decompressed so far.
  std::uint64_t hidden_work() const { return hidden_work_; }
  std::size_t size() const { return chunks_.size(); }

  static constexpr std::uint64_t kHiddenCredit = 32 * std::uint64_t{util::kMiB};

 private:
  class Loader;
  // A block of which no file is known to hold it.
  struct HiddenBlock {
    std::uint64_t hash = 0;  // the first bytes of its digest: a hint only
    std::uint32_t blob = 0;
    util::BlockAddr start;
    auto operator<=>(const HiddenBlock&) const = default;
  };
  view::FrameCache::Frame frame(std::uint32_t blob, std::size_t number);
  bool has_bytes(const HiddenBlock& place, util::Bytes bytes);

  std::vector<DictBlob> blobs_;
  std::vector<DictChunk> chunks_;    // sorted
  std::vector<HiddenBlock> hidden_;  // sorted
  std::vector<ViewReader> views_;    // one for each of blobs_
  view::FrameCache cache_{8 * std::size_t{util::kMiB}};
  std::uint64_t hidden_work_ = 0;
  std::uint64_t hidden_credit_ = kHiddenCredit;  // what may still be decompressed in vain
};

namespace detail {
bool is_zero(util::Bytes bytes);
// What hidden blocks are found by.
std::uint64_t hint_of(util::Bytes block);
}  // namespace detail

}  // namespace ondemand::image
