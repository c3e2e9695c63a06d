// SPDX-License-Identifier: Apache-2.0
#include "view/image_view.h"

#include <algorithm>
#include <utility>

#include "cache/fetch.h"
#include "chunk/extent.h"
#include "codec/decompress.h"
#include "erofs/bootstrap_check.h"
#include "hash/sha256.h"
#include "input/spool.h"
#include "oci/json.h"
#include "util/align.h"
#include "util/error.h"
#include "util/stream.h"
#include "util/text.h"

namespace ondemand::view {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

constexpr std::chrono::seconds kRequestTimeout{60};
constexpr std::chrono::seconds kStallTimeout{60};
constexpr std::size_t kPieceBytes = 256 * 1024;
const util::Buffer kZeros(kPieceBytes);

source::Deadline soon() {
  return std::chrono::steady_clock::now() + kRequestTimeout;
}

[[noreturn]] void not_here(const std::string& name, const source::Source& source) {
  throw Error(ErrorCode::kNotFound, concat(name, ": read: ", source.name(), " does not have it"));
}

void check_digest(const hash::Digest& found, const hash::Digest& expected, std::string_view what,
                  const std::string& name) {
  if (found == expected) return;
  throw Error(ErrorCode::kDigestMismatch,
              concat(name, ": verify: ", what, " have the digest ", found.to_string(), ", not ",
                     expected.to_string()));
}

// Writes to a file what passes, and digests it.
class FileSink : public util::ByteSink {
 public:
  FileSink(int fd, std::uint64_t limit, const std::string& name)
      : fd_(fd), limit_(limit), name_(name) {}
  void write(util::Bytes bytes) override {
    if (bytes.size() > limit_ - size_)
      throw Error(ErrorCode::kTooLarge, concat(name_, ": read: is longer than ", limit_, " bytes"));
    util::write_full(fd_, bytes, name_);
    sha_.update(bytes);
    size_ += bytes.size();
  }
  std::uint64_t size() const { return size_; }
  hash::Digest finish() { return sha_.finish(); }

 private:
  int fd_;
  std::uint64_t limit_;
  const std::string& name_;
  std::uint64_t size_ = 0;
  hash::Sha256 sha_;
};

cache::FetchContext context_of(source::Source& source) {
  return {source, {}, kRequestTimeout, kStallTimeout};
}

}  // namespace

WholeObject fetch_whole(source::Source& source, const oci::Descriptor& descriptor,
                        oci::Framing framing, const std::optional<hash::Digest>& expected,
                        const std::filesystem::path& temporary, std::uint64_t limit,
                        const std::string& name) {
  WholeObject stored{input::open_unlinked_file(temporary), descriptor.size, descriptor.digest};
  FileSink sink(stored.fd.get(), descriptor.size, name);
  if (!source.copy_blob(descriptor.digest, descriptor.size, sink, kStallTimeout))
    not_here(name, source);
  if (sink.size() != descriptor.size)
    throw Error(ErrorCode::kCorrupt,
                concat(name, ": read: has ", sink.size(), " bytes, not ", descriptor.size));
  check_digest(sink.finish(), descriptor.digest, "its bytes", name);
  if (framing == oci::Framing::kRaw) {
    if (expected) check_digest(descriptor.digest, *expected, "its uncompressed bytes", name);
    return stored;
  }
  WholeObject plain{input::open_unlinked_file(temporary), 0, {}};
  util::FdRangeSource inner(stored.fd.get(), {0, stored.size}, name);
  const auto decompressor = codec::make_decompressor(codec::Compression::kZstd, inner, name);
  FileSink plain_sink(plain.fd.get(), limit, name);
  util::Buffer piece(kPieceBytes);
  while (const std::size_t got = decompressor->read(piece))
    plain_sink.write(util::Bytes(piece).first(got));
  plain.size = plain_sink.size();
  plain.uncompressed_digest = plain_sink.finish();
  if (expected) check_digest(plain.uncompressed_digest, *expected, "its uncompressed bytes", name);
  return plain;
}

std::optional<blob::ChunkIndex> fetch_index(source::Source& source, const oci::DeviceBlob& device,
                                            const std::string& name) {
  const std::string index_name = concat(name, ": chunk index");
  const auto payload = cache::fetch_chunk_index(context_of(source), device, index_name);
  if (!payload) return std::nullopt;
  // Also one that lies beside the blob leads to nothing behind the start of one in it.
  const std::uint64_t stored_end =
      device.embedded_index ? std::min(device.embedded_index->range.offset, device.descriptor.size)
                            : device.descriptor.size;
  try {
    auto index = blob::ChunkIndex::decode(*payload, index_name, stored_end);
    const bool is_zstd = index.form() == blob::StoredForm::kZstd;
    if (is_zstd != (device.framing == oci::Framing::kZstd))
      throw Error(ErrorCode::kCorrupt,
                  concat(index_name, ": check: its compression is not that of the blob"));
    return index;
  } catch (const Error& error) {
    // The specification lets a consumer fall back to the whole blob.
    if (error.code() != ErrorCode::kUnsupported && error.code() != ErrorCode::kTooLarge) throw;
    return std::nullopt;
  }
}

std::uint64_t view_limit(const erofs::BootstrapReader& bootstrap, std::size_t index) {
  constexpr std::uint64_t kSlack = 64 * std::uint64_t{util::kMiB};
  const std::uint64_t block_size = bootstrap.block_size();
  return std::min(bootstrap.devices()[index].nblocks, cache::kMaxObjectBytes / block_size) *
             block_size +
         kSlack;
}

void check_device_slots(const erofs::BootstrapReader& bootstrap,
                        const std::vector<oci::DeviceBlob>& blobs, const std::string& name) {
  const auto fail = [&name](const std::string& reason) {
    throw Error(ErrorCode::kCorrupt, concat(name, ": check device table: ", reason));
  };
  const auto& slots = bootstrap.devices();
  if (slots.size() != blobs.size())
    fail(concat("has ", slots.size(), " slots, the manifest has ", blobs.size(), " device layers"));
  for (std::size_t i = 0; i < slots.size(); ++i) {
    // The specification asks for the digest in the tag; other tools leave it empty or write text.
    const auto tag = hash::Digest::from_hex(slots[i].tag);
    if (tag && *tag != blobs[i].descriptor.digest)
      fail(concat("slot ", i + 1, " is tagged ", slots[i].tag, ", the manifest has blob ",
                  blobs[i].descriptor.digest.hex(), " there"));
  }
}

ImageView::ImageView(source::Source& source, std::string_view reference,
                     const std::filesystem::path& temporary)
    : source_(source), temporary_(temporary), name_(concat("image ", util::printable(reference))) {
  const auto manifest = source.find_manifest(reference, soon());
  if (!manifest) not_here(name_, source);
  if (oci::is_index(manifest->json, name_))
    throw Error(ErrorCode::kUnsupported, concat(name_, ": read: is an index of several images"));
  manifest_ = oci::parse_manifest(manifest->json, name_);
  image_ = oci::interpret_manifest(manifest_, name_);
  const std::string what = concat(name_, ": bootstrap ", image_.bootstrap.digest.to_string());
  const WholeObject object =
      fetch_whole(source, image_.bootstrap, image_.bootstrap_framing,
                  image_.bootstrap_uncompressed_digest, temporary, cache::kMaxBootstrapBytes, what);
  mapped_ = std::make_unique<util::MappedFile>(object.fd.get(), what);
  bootstrap_ = std::make_unique<erofs::BootstrapReader>(mapped_->bytes(), what);
  bootstrap_->on_entries_read([mapped = mapped_.get()] { mapped->release_pages(); });
  devices_.resize(image_.devices.size());
}

void ImageView::check_structure() const {
  check_device_slots(*bootstrap_, image_.devices, bootstrap_->name());
  const erofs::CheckReport report = erofs::check_bootstrap(*bootstrap_);
  if (!report.is_clean())
    throw Error(ErrorCode::kCorrupt,
                concat(bootstrap_->name(), ": check: ", report.problems.front()));
}

KernelView& ImageView::device(std::size_t index) {
  if (index >= devices_.size())
    throw Error(ErrorCode::kCorrupt, concat(name_, ": read: no device ", index + 1));
  if (devices_[index]) return *devices_[index];
  const oci::DeviceBlob& blob = image_.devices[index];
  const std::string name = concat(name_, ": blob ", blob.descriptor.digest.to_string());
  if (auto chunk_index = fetch_index(source_, blob, name)) {
    const hash::Digest digest = blob.descriptor.digest;
    const auto read = [this, digest, name](std::uint64_t offset, util::MutableBytes out) {
      if (!source_.read_blob(digest, offset, out, soon())) not_here(name, source_);
    };
    devices_[index] = std::make_unique<FramedView>(std::move(*chunk_index), read, name,
                                                   static_cast<std::uint32_t>(index), cache_);
  } else {
    if (index >= bootstrap_->devices().size())
      throw Error(ErrorCode::kCorrupt,
                  concat(bootstrap_->name(), ": read device table: has no slot ", index + 1));
    WholeObject whole =
        fetch_whole(source_, blob.descriptor, blob.framing, blob.uncompressed_digest, temporary_,
                    view_limit(*bootstrap_, index), name);
    devices_[index] = std::make_unique<PlainView>(std::move(whole.fd), whole.size, name);
  }
  return *devices_[index];
}

void ImageView::read_extent(const erofs::FileExtent& extent, const UseBytes& use) {
  if (extent.kind == erofs::ExtentKind::kInline || extent.device.value == 0) {
    use(bootstrap_->bytes_of(extent));
    return;
  }
  device(extent.device.value - 1U).read({extent.address, extent.file.len}, use);
}

void ImageView::read(const erofs::InodeInfo& inode, util::ByteRange range, const UseBytes& use) {
  while (range.len > 0) {
    erofs::FileExtent extent = bootstrap_->map(inode, range.offset);
    extent.file.len = std::min(extent.file.len, range.len);
    if (extent.kind == erofs::ExtentKind::kHole) {
      for (std::uint64_t left = extent.file.len; left > 0;) {
        const std::size_t len =
            static_cast<std::size_t>(std::min<std::uint64_t>(left, kZeros.size()));
        use(util::Bytes(kZeros).first(len));
        left -= len;
      }
    } else {
      read_extent(extent, use);
    }
    range.offset += extent.file.len;
    range.len -= extent.file.len;
  }
}

}  // namespace ondemand::view
