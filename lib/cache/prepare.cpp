// SPDX-License-Identifier: Apache-2.0
//
// The order is the point: bootstrap, then for each blob its index and then its backing file, then
// the manifest, then the name.  Whoever sees a manifest finds all that it names.
#include "cache/prepare.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "blob/chunk_index.h"
#include "cache/backing_file.h"
#include "cache/cache_lock.h"
#include "cache/fetch.h"
#include "cache/image_record.h"
#include "cache/refill.h"
#include "hash/sha256.h"
#include "oci/json.h"
#include "util/align.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/stream.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

using util::Error;
using util::ErrorCode;

constexpr mode_t kRecordMode = 0600;

bool is_there(const std::filesystem::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) return true;
  if (errno == ENOENT) return false;
  throw util::errno_error(util::printable(path.native()), "look up", errno);
}

void write_atomically(const CacheRoot& root, const std::filesystem::path& path, util::Bytes bytes) {
  util::AtomicFile file(root.temporary_directory(), kRecordMode);
  util::write_full(file.fd(), bytes, file.name());
  file.commit(path, util::Durability::kSync);
}

class Preparation {
 public:
  Preparation(const CacheRoot& root, source::Source& source, std::string_view reference,
              const PrepareOptions& options)
      : root_(root),
        options_(options),
        reference_(reference),
        name_(util::concat("image ", util::printable(reference))),
        context_{source, root.temporary_directory(), options.request_timeout,
                 options.stall_timeout} {}

  PreparedImage run();

 private:
  source::ManifestBytes find_manifest();
  void prepare_bootstrap(const oci::ErofsImage& image, PreparedImage& prepared);
  void prepare_blob(const oci::DeviceBlob& device, PreparedImage& prepared, std::size_t index);
  bool prepare_index(const oci::DeviceBlob& device, PreparedBlob& blob);
  void check_no_other_index(const PreparedBlob& blob, const hash::Digest& recorded) const;
  void prepare_lazy(PreparedBlob& blob, std::uint64_t uncompressed_size);
  void prepare_whole(const oci::DeviceBlob& device, PreparedImage& prepared, std::size_t index);
  void put_backing_file(FetchedObject& object, const std::filesystem::path& path);
  void write_record(const std::filesystem::path& path, std::string_view text);
  void note(const std::string& line) const {
    if (options_.note) options_.note(line);
  }

  const CacheRoot& root_;
  const PrepareOptions& options_;
  const std::string reference_;
  const std::string name_;
  const FetchContext context_;
};

void warn_about_file_system(const CacheRoot& root, const PrepareOptions& options) {
  struct statfs info {};
  if (!options.note || ::statfs(root.path().c_str(), &info) != 0) return;
  // File systems that set SB_I_ALLOW_HSM.  Source: Linux 6.14 to 6.18.
  const auto type = static_cast<std::uint64_t>(info.f_type);
  const std::string name = util::printable(root.path().native());
  if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) {
    options.note(name +
                 ": warning: no transport of demandd works on this file system; put the "
                 "cache root on ext4, xfs or btrfs");
    return;
  }
  if (type == EXT4_SUPER_MAGIC || type == XFS_SUPER_MAGIC || type == BTRFS_SUPER_MAGIC) return;
  options.note(util::concat(name,
                            ": warning: this file system raises no pre-content events as far as "
                            "known; demandd's fanotify transport needs ext4, xfs or btrfs"));
}

source::ManifestBytes Preparation::find_manifest() {
  auto found = context_.source.find_manifest(
      reference_, std::chrono::steady_clock::now() + options_.request_timeout);
  if (!found)
    throw Error(ErrorCode::kNotFound,
                util::concat(name_, ": prepare: ", context_.source.name(), " does not have it"));
  if (found->json.size() > oci::kMaxManifestBytes)
    throw Error(ErrorCode::kTooLarge, util::concat(name_, ": prepare: manifest above ",
                                                   oci::kMaxManifestBytes, " bytes"));
  const hash::Digest digest = hash::sha256(util::as_bytes(found->json));
  if (digest != found->digest)
    throw Error(ErrorCode::kDigestMismatch,
                util::concat(name_, ": verify manifest: has digest ", digest.to_string(),
                             ", expected ", found->digest.to_string()));
  return std::move(*found);
}

// Keeps, replaces or refuses what is there; then puts the object.
void Preparation::put_backing_file(FetchedObject& object, const std::filesystem::path& path) {
  const std::string name = util::printable(path.native());
  set_object_xattr(object.file.fd(), object.size, object.file.name());
  if (is_there(path)) {
    const util::Fd old = util::open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (is_open_elsewhere(old.get()))
      throw Error(ErrorCode::kCorrupt,
                  util::concat(name,
                               ": check: does not hold what its name says, and it is in use: "
                               "unmount the images that use it, then try again"));
    note(util::concat(name, ": made anew: did not hold what its name says"));
  }
  object.file.commit(path, util::Durability::kSync);
}

void Preparation::prepare_bootstrap(const oci::ErofsImage& image, PreparedImage& prepared) {
  const std::string name = util::concat(name_, ": bootstrap ", image.bootstrap.digest.to_string());
  const BackingState state = inspect_backing_file(prepared.bootstrap);
  const bool sound = state.is_complete() && state.has_xattr && state.size > 0;
  // Compressed and not padded by its maker: the length is told by the fetched bytes only.
  const std::uint64_t known =
      image.bootstrap_framing == oci::Framing::kRaw ? image.bootstrap.size : state.size;
  if (sound && known <= state.size &&
      has_content(prepared.bootstrap, known, prepared.bootstrap_digest)) {
    prepared.bootstrap_size = state.size;
    return;
  }
  FetchedObject object =
      fetch_object(context_, image.bootstrap, image.bootstrap_framing, prepared.bootstrap_digest,
                   options_.max_bootstrap_bytes, name);
  if (object.size == 0) throw Error(ErrorCode::kCorrupt, util::concat(name, ": check: is empty"));
  prepared.bootstrap_size = object.size;
  if (sound && state.size == object.size && same_content(object.file.fd(), prepared.bootstrap))
    return;
  put_backing_file(object, prepared.bootstrap);
}

// One blob has one index in a cache: a second image with another one could have the first one's
// backing file filled with other bytes.
void Preparation::check_no_other_index(const PreparedBlob& blob,
                                       const hash::Digest& recorded) const {
  for (const hash::Digest& manifest : root_.list_images()) {
    const std::string name = util::concat("image ", manifest.to_string());
    const oci::ErofsImage image =
        oci::interpret_manifest(oci::parse_manifest(root_.read_manifest(manifest), name), name);
    for (const oci::DeviceBlob& device : image.devices) {
      if (device.descriptor.digest == blob.digest && trusted_index_digest(device) == recorded)
        throw Error(ErrorCode::kCorrupt,
                    util::concat(name_, ": blob ", blob.digest.to_string(),
                                 ": check chunk index: differs from the one that the prepared ",
                                 name, " has for the same blob"));
    }
  }
}

// False when the blob has no index that can be used.
bool Preparation::prepare_index(const oci::DeviceBlob& device, PreparedBlob& blob) {
  if (!blob.chunk_index_digest) return false;
  const std::string name = util::concat(name_, ": chunk index of blob ", blob.digest.to_string());
  const std::filesystem::path path = root_.chunk_index_file(blob.digest);
  std::optional<util::Buffer> payload;
  bool recorded = false;
  if (is_there(path)) {
    util::Buffer bytes = util::read_file(path, kMaxChunkIndexBytes);
    const hash::Digest digest = hash::sha256(bytes);
    recorded = digest == *blob.chunk_index_digest;
    if (recorded)
      payload = std::move(bytes);
    else
      check_no_other_index(blob, digest);
  }
  if (!payload) payload = fetch_chunk_index(context_, device, name);
  if (!payload) return false;
  std::uint64_t size = 0;
  try {
    const auto index = blob::ChunkIndex::decode(*payload, name, blob.stored_end);
    size = index.uncompressed_size();
    const bool zstd = device.framing == oci::Framing::kZstd;
    if (zstd != (index.form() == blob::StoredForm::kZstd))
      throw Error(ErrorCode::kCorrupt,
                  util::concat(name, ": check: its compression is not that of the blob"));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported && error.code() != ErrorCode::kTooLarge) throw;
    note(util::concat(error.what(), ": the blob is fetched whole"));
    return false;
  }
  if (size > kMaxObjectBytes)
    throw Error(ErrorCode::kTooLarge, util::concat(name, ": check: ", size, " bytes of data"));
  if (!recorded) write_atomically(root_, path, *payload);
  prepare_lazy(blob, size);
  return true;
}

void Preparation::prepare_lazy(PreparedBlob& blob, std::uint64_t uncompressed_size) {
  blob.size = util::round_up(uncompressed_size, kBackingAlignment);
  const EnsureResult result =
      ensure_backing_file(root_.temporary_directory(), blob.backing_file, blob.size);
  if (result == EnsureResult::kRepaired)
    note(util::concat(util::printable(blob.backing_file.native()), ": repaired"));
}

// The complete file has the digest that the manifest states for the whole blob.
bool holds_blob(const oci::DeviceBlob& device, const BackingState& state,
                const PreparedBlob& blob) {
  if (device.framing == oci::Framing::kRaw)
    return has_content(blob.backing_file, device.descriptor.size, device.descriptor.digest);
  // Of a kernel view that its maker did not pad, the length is told by the fetched bytes only.
  return device.uncompressed_digest &&
         has_content(blob.backing_file, state.size, *device.uncompressed_digest);
}

void Preparation::prepare_whole(const oci::DeviceBlob& device, PreparedImage& prepared,
                                std::size_t index) {
  PreparedBlob& blob = prepared.blobs[index];
  const std::string name = util::concat(name_, ": blob ", blob.digest.to_string());
  // An index beside it means that another image lets its data be fetched piece by piece, under the
  // trust of that image's manifest; this image's manifest vouches for the whole blob only.
  const bool shared = is_there(root_.chunk_index_file(blob.digest));
  const BackingState state = inspect_backing_file(blob.backing_file);
  if (state.is_complete() && state.has_xattr && (!shared || holds_blob(device, state, blob))) {
    blob.size = state.size;
    return;
  }
  note(util::concat(name, ": no usable chunk index: fetching ", device.descriptor.size, " bytes"));
  const std::uint64_t limit = options_.view_limit
                                  ? std::min(options_.view_limit(prepared, index), kMaxObjectBytes)
                                  : kMaxObjectBytes;
  FetchedObject object = fetch_object(context_, device.descriptor, device.framing,
                                      device.uncompressed_digest, limit, name);
  blob.size = object.size;
  if (state.is_regular && state.unwritten == 0 && state.size == object.size && state.has_xattr) {
    fill_missing(object.file.fd(), blob.backing_file, object.size);
    return;
  }
  put_backing_file(object, blob.backing_file);
}

void Preparation::prepare_blob(const oci::DeviceBlob& device, PreparedImage& prepared,
                               std::size_t index) {
  PreparedBlob& blob = prepared.blobs[index];
  if (prepare_index(device, blob)) return;
  blob.chunk_index.clear();
  blob.chunk_index_digest.reset();
  prepare_whole(device, prepared, index);
}

// Leaves a record alone that is right already.
void Preparation::write_record(const std::filesystem::path& path, std::string_view text) {
  if (is_there(path)) {
    const std::string old = util::read_text_file(path, oci::kMaxManifestBytes + 1);
    if (old == text) return;
  }
  write_atomically(root_, path, util::as_bytes(text));
}

PreparedImage Preparation::run() {
  const std::optional<hash::Digest> wanted = hash::Digest::parse(reference_);
  if (!wanted) root_.name_file(reference_);  // refuses a name that cannot be recorded
  const source::ManifestBytes manifest = find_manifest();
  const oci::ErofsImage image =
      oci::interpret_manifest(oci::parse_manifest(manifest.json, name_), name_);
  PreparedImage prepared = describe_image(root_, manifest.digest, image, name_);

  root_.create();
  const CacheLock lock(root_.path());
  remove_leftovers(root_.temporary_directory());
  ensure_mark(root_.cache_directory(), options_.use);
  ensure_volume(root_.cache_directory(), root_.volume_key(), options_.volume_xattr);
  warn_about_file_system(root_, options_);
  prepare_bootstrap(image, prepared);
  for (std::size_t i = 0; i < image.devices.size(); ++i)
    prepare_blob(image.devices[i], prepared, i);
  if (options_.check) options_.check(prepared);
  write_record(root_.manifest_file(manifest.digest), manifest.json);
  if (!wanted)
    write_record(root_.name_file(reference_), util::concat(manifest.digest.to_string(), "\n"));
  return root_.open_image(manifest.digest);
}

}  // namespace

PreparedImage prepare_image(const CacheRoot& root, source::Source& source,
                            std::string_view reference, const PrepareOptions& options) {
  return Preparation(root, source, reference, options).run();
}

}  // namespace ondemand::cache
