// SPDX-License-Identifier: Apache-2.0
#include "image/chunk_dict.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <future>

#include "chunk/extent.h"
#include "erofs/bootstrap_reader.h"
#include "erofs/inode_walk.h"
#include "hash/sha256.h"
#include "image/staged_source.h"
#include "oci/json.h"
#include "util/align.h"
#include "util/error.h"
#include "util/mapped_file.h"
#include "util/text.h"
#include "view/image_view.h"

namespace ondemand::image {

namespace {

using chunk::kBlockSize;
using util::concat;
using util::Error;
using util::ErrorCode;

constexpr std::uint64_t kMaxBootstrapBytes = std::uint64_t{4} << 30;
constexpr std::uint64_t kMaxIndexBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxViewBytes = (std::uint64_t{1} << 32) * kBlockSize;
// 256 GiB in pieces of 4 KiB: a small image must not take all memory by naming its data often.
constexpr std::size_t kMaxPieces = std::size_t{1} << 26;
// One task reads about this much of a blob.
constexpr std::uint64_t kTaskBytes = 2 * std::uint64_t{util::kMiB};

// A piece of a file, in one run of blocks of one blob.
struct Piece {
  std::uint32_t blob = 0;
  std::uint32_t len = 0;  // Unit: bytes
  std::uint64_t offset = 0;
  auto operator<=>(const Piece&) const = default;
};

bool is_before(const Piece& a, const Piece& b) {
  if (a.blob != b.blob) return a.blob < b.blob;
  if (a.offset != b.offset) return a.offset < b.offset;
  return a.len < b.len;
}

// Tasks on a pool, whose results are taken in the order in which they were submitted.
template <class Result>
class OrderedTasks {
 public:
  OrderedTasks(util::ThreadPool& pool, std::function<void(const Result&)> take)
      : pool_(pool), take_(std::move(take)) {}
  OrderedTasks(const OrderedTasks&) = delete;
  OrderedTasks& operator=(const OrderedTasks&) = delete;
  // Tasks use what belongs to the caller: none may outlive it, also when one of them throws.
  ~OrderedTasks() {
    for (auto& future : in_flight_)
      future.wait();
  }
  template <class Task>
  void submit(Task task) {
    if (in_flight_.size() == kInFlight) take_one();
    in_flight_.push_back(pool_.submit(std::move(task)));
  }
  void finish() {
    while (!in_flight_.empty())
      take_one();
  }

 private:
  static constexpr std::size_t kInFlight = 8;
  void take_one() {
    auto next = std::move(in_flight_.front());
    in_flight_.pop_front();
    take_(next.get());
  }
  util::ThreadPool& pool_;
  std::function<void(const Result&)> take_;
  std::deque<std::future<Result>> in_flight_;
};

}  // namespace

class ChunkDict::Loader {
 public:
  Loader(ChunkDict& dict, const store::Store& store, std::uint32_t chunk_size,
         util::ThreadPool& pool, const std::filesystem::path& temporary)
      : dict_(dict), store_(store), chunk_size_(chunk_size), pool_(pool), temporary_(temporary) {}

  void add_image(const std::string& ref);
  void finish();

 private:
  std::uint32_t add_blob(const std::string& ref, const oci::DeviceBlob& device,
                         const std::string& name);
  void collect(const erofs::BootstrapReader& reader, const std::vector<std::uint32_t>& blobs);
  void add_pieces(const erofs::FileExtent& extent, std::uint64_t file_size, std::uint32_t blob,
                  const std::string& name);
  void digest_pieces();
  std::vector<DictChunk> digest_run(std::span<const Piece> run) const;
  void find_hidden_blocks();
  std::vector<HiddenBlock> digest_blocks(std::uint32_t blob, util::ByteRange range) const;

  ChunkDict& dict_;
  const store::Store& store_;
  const std::uint32_t chunk_size_;
  util::ThreadPool& pool_;
  const std::filesystem::path& temporary_;
  std::vector<Piece> pieces_;
};

void ChunkDict::Loader::add_image(const std::string& ref) {
  const std::string name = concat(store_.name(), ": chunk dictionary '", util::printable(ref), "'");
  const auto descriptor = store_.resolve(ref);
  if (!descriptor) throw Error(ErrorCode::kNotFound, concat(name, ": open: is not in the store"));
  const oci::Manifest manifest =
      oci::parse_manifest(store_.read_small_blob(descriptor->digest, oci::kMaxManifestBytes), name);
  const oci::ErofsImage image = oci::interpret_manifest(manifest, name);
  StagedSource source(store_);
  const view::WholeObject bootstrap =
      view::fetch_whole(source, image.bootstrap, image.bootstrap_framing,
                        image.bootstrap_uncompressed_digest, temporary_, kMaxBootstrapBytes, name);
  const util::MappedFile mapped(bootstrap.fd.get(), name);
  erofs::BootstrapReader reader(mapped.bytes(), name);
  reader.on_entries_read([&mapped] { mapped.release_pages(); });
  if (reader.block_size() != kBlockSize)
    throw Error(ErrorCode::kUnsupported,
                concat(name, ": open: has blocks of ", reader.block_size(), " bytes, not 4096"));
  if (reader.devices().size() != image.devices.size())
    throw Error(ErrorCode::kCorrupt,
                concat(name, ": check device table: has ", reader.devices().size(),
                       " slots, the manifest has ", image.devices.size(), " device layers"));
  std::vector<std::uint32_t> blobs;
  for (const oci::DeviceBlob& device : image.devices)
    blobs.push_back(add_blob(ref, device, name));
  collect(reader, blobs);
}

std::uint32_t ChunkDict::Loader::add_blob(const std::string& ref, const oci::DeviceBlob& device,
                                          const std::string& name) {
  const hash::Digest& digest = device.descriptor.digest;
  const std::string blob_name = concat(name, ": blob ", digest.to_string());
  if (!device.standalone_index)
    throw Error(ErrorCode::kUnsupported,
                concat(blob_name, ": open: has no chunk index of its own in the manifest"));
  for (std::size_t i = 0; i < dict_.blobs_.size(); ++i) {
    const oci::DeviceBlob& known = dict_.blobs_[i].device;
    if (known.descriptor.digest != digest) continue;
    if (known.standalone_index->digest != device.standalone_index->digest)
      throw Error(ErrorCode::kCorrupt,
                  concat(blob_name, ": check chunk index: differs from the one that '",
                         util::printable(dict_.blobs_[i].ref), "' has for the same blob"));
    return static_cast<std::uint32_t>(i);
  }
  const bool is_zstd = device.framing == oci::Framing::kZstd;
  if (is_zstd && !device.uncompressed_digest)
    throw Error(ErrorCode::kUnsupported,
                concat(blob_name, ": open: has no digest of its uncompressed bytes"));
  const std::string payload =
      store_.read_small_blob(device.standalone_index->digest, kMaxIndexBytes);
  DictBlob blob{
      ref, device,
      blob::ChunkIndex::decode(util::as_bytes(payload), blob_name, device.descriptor.size)};
  if (is_zstd != (blob.index.form() == blob::StoredForm::kZstd))
    throw Error(ErrorCode::kCorrupt,
                concat(blob_name, ": check chunk index: its compression is not that of the blob"));
  if (blob.index.uncompressed_size() > kMaxViewBytes)
    throw Error(ErrorCode::kTooLarge, concat(blob_name, ": open: has more than 2^32 blocks"));
  dict_.blobs_.push_back(std::move(blob));
  return static_cast<std::uint32_t>(dict_.blobs_.size() - 1);
}

void ChunkDict::Loader::collect(const erofs::BootstrapReader& reader,
                                const std::vector<std::uint32_t>& blobs) {
  erofs::for_each_inode(reader, [&](const erofs::InodeInfo& inode) {
    if (inode.type != tree::FileType::kRegular) return;
    reader.for_each_extent(inode, [&](const erofs::FileExtent& extent) {
      if (extent.kind != erofs::ExtentKind::kBlocks || extent.device.value == 0) return;
      if (extent.device.value > blobs.size())
        throw Error(ErrorCode::kCorrupt,
                    concat(reader.name(), ": read extents: no device ", extent.device.value));
      add_pieces(extent, inode.size, blobs[extent.device.value - 1U], reader.name());
    });
  });
}

void ChunkDict::Loader::add_pieces(const erofs::FileExtent& extent, std::uint64_t file_size,
                                   std::uint32_t blob, const std::string& name) {
  // A kernel view may end inside its last block: zeros follow it.
  const std::uint64_t view_size =
      util::round_up(dict_.blobs_[blob].index.uncompressed_size(), std::uint64_t{kBlockSize});
  const std::uint64_t end = std::min(extent.file.end(), file_size);
  std::uint64_t at = util::round_up(extent.file.offset, std::uint64_t{chunk_size_});
  for (; at < end; at += chunk_size_) {
    const std::uint64_t len = std::min<std::uint64_t>(chunk_size_, file_size - at);
    if (at + len > end) break;  // goes on elsewhere
    const std::uint64_t offset = extent.address + (at - extent.file.offset);
    if (offset % kBlockSize != 0 || offset > view_size ||
        util::round_up(len, std::uint64_t{kBlockSize}) > view_size - offset)
      throw Error(ErrorCode::kCorrupt, concat(name, ": read extents: data at 0x",
                                              util::to_hex(offset), " is not in its blob"));
    if (pieces_.size() == kMaxPieces)
      throw Error(ErrorCode::kTooLarge,
                  concat(name, ": read extents: dictionary of more than ", kMaxPieces, " chunks"));
    pieces_.push_back({blob, static_cast<std::uint32_t>(len), offset});
  }
}

std::vector<DictChunk> ChunkDict::Loader::digest_run(std::span<const Piece> run) const {
  std::uint64_t end = 0;
  for (const Piece& piece : run)
    end = std::max(end, piece.offset + util::round_up(piece.len, kBlockSize));
  const std::uint64_t begin = run.front().offset;
  util::Buffer bytes(static_cast<std::size_t>(end - begin));
  dict_.views_[run.front().blob].read(begin, bytes);
  std::vector<DictChunk> out;
  for (const Piece& piece : run) {
    const util::Bytes blocks = util::Bytes(bytes).subspan(
        static_cast<std::size_t>(piece.offset - begin), util::round_up(piece.len, kBlockSize));
    // A kernel maps whole pages: what lies behind the end of a file must be zeros.
    if (!detail::is_zero(blocks.subspan(piece.len))) continue;
    out.push_back({hash::sha256(blocks.first(piece.len)), piece.blob,
                   util::BlockAddr{static_cast<std::uint32_t>(piece.offset / kBlockSize)}});
  }
  return out;
}

void ChunkDict::Loader::digest_pieces() {
  OrderedTasks<std::vector<DictChunk>> tasks(pool_, [this](const std::vector<DictChunk>& done) {
    dict_.chunks_.insert(dict_.chunks_.end(), done.begin(), done.end());
  });
  for (auto first = pieces_.begin(); first != pieces_.end();) {
    const std::uint64_t limit = first->offset + std::max<std::uint64_t>(kTaskBytes, first->len);
    auto last = first;
    while (last != pieces_.end() && last->blob == first->blob && last->offset + last->len <= limit)
      ++last;
    const std::span<const Piece> run(first, last);
    tasks.submit([this, run] { return digest_run(run); });
    first = last;
  }
  tasks.finish();
}

std::vector<ChunkDict::HiddenBlock> ChunkDict::Loader::digest_blocks(std::uint32_t blob,
                                                                     util::ByteRange range) const {
  util::Buffer bytes(static_cast<std::size_t>(range.len));
  dict_.views_[blob].read(range.offset, bytes);
  std::vector<HiddenBlock> out;
  for (std::size_t at = 0; at < bytes.size(); at += kBlockSize) {
    const util::Bytes block = util::Bytes(bytes).subspan(at, kBlockSize);
    if (detail::is_zero(block)) continue;
    out.push_back({detail::hint_of(block), blob,
                   util::BlockAddr{static_cast<std::uint32_t>((range.offset + at) / kBlockSize)}});
  }
  return out;
}

// What lies between the pieces of each blob.
void ChunkDict::Loader::find_hidden_blocks() {
  OrderedTasks<std::vector<HiddenBlock>> tasks(pool_, [this](const std::vector<HiddenBlock>& done) {
    dict_.hidden_.insert(dict_.hidden_.end(), done.begin(), done.end());
  });
  const auto submit = [&](std::uint32_t blob, std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t at = begin; at < end; at += kTaskBytes) {
      const util::ByteRange range{at, std::min(kTaskBytes, end - at)};
      tasks.submit([this, blob, range] { return digest_blocks(blob, range); });
    }
  };
  auto piece = pieces_.begin();
  for (std::uint32_t blob = 0; blob < dict_.blobs_.size(); ++blob) {
    std::uint64_t position = 0;
    for (; piece != pieces_.end() && piece->blob == blob; ++piece) {
      submit(blob, position, piece->offset);
      position = std::max(position, piece->offset + util::round_up(piece->len, kBlockSize));
    }
    submit(blob, position,
           util::round_up(dict_.blobs_[blob].index.uncompressed_size(), std::uint64_t{kBlockSize}));
  }
  tasks.finish();
  std::sort(dict_.hidden_.begin(), dict_.hidden_.end());
}

void ChunkDict::Loader::finish() {
  std::sort(pieces_.begin(), pieces_.end(), is_before);
  pieces_.erase(std::unique(pieces_.begin(), pieces_.end()), pieces_.end());
  for (const DictBlob& blob : dict_.blobs_)
    dict_.views_.emplace_back(store_, blob.device.descriptor.digest, blob.index);
  dict_.chunks_.reserve(pieces_.size());
  digest_pieces();
  std::sort(dict_.chunks_.begin(), dict_.chunks_.end());
  find_hidden_blocks();
}

ChunkDict::ChunkDict(const store::Store& store, const std::vector<std::string>& refs,
                     std::uint32_t chunk_size, util::ThreadPool& pool,
                     const std::filesystem::path& temporary) {
  Loader loader(*this, store, chunk_size, pool, temporary);
  for (const std::string& ref : refs)
    loader.add_image(ref);
  loader.finish();
}

std::span<const DictChunk> ChunkDict::find(const hash::Digest& digest) const {
  const auto first = std::lower_bound(
      chunks_.begin(), chunks_.end(), digest,
      [](const DictChunk& chunk, const hash::Digest& wanted) { return chunk.digest < wanted; });
  auto last = first;
  while (last != chunks_.end() && last->digest == digest)
    ++last;
  return {first, last};
}

}  // namespace ondemand::image
