// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "hash/sha256.h"
#include "oci/index_edit.h"
#include "oci/json.h"
#include "oci/reference.h"
#include "store/keep_access.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::store {

namespace fs = std::filesystem;
using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

constexpr const char* kLayoutFile = "oci-layout";
constexpr const char* kIndexFile = "index.json";

bool is_ours(const fs::path& name) {
  return name == kTemporaryName || name == kLockName;
}

// An empty directory, or one in which an interrupted run had not yet come further than its lock
// and its temporary files.
bool is_blank_directory(const fs::path& path, const std::string& name) {
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error))
    if (!is_ours(entry->path().filename())) return false;
  if (error) throw util::errno_error(name, "open store", error.value());
  return true;
}

bool file_exists(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT) return false;
  throw util::errno_error(util::printable(path.native()), "stat", errno);
}

void make_directories(const fs::path& path, const std::string& name) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw util::errno_error(name, "create directory", error.value());
}

// The directories in which something must be made for `path` to be there, innermost first.
std::vector<fs::path> parents_to_change(const fs::path& path, const std::string& name) {
  std::error_code error;
  fs::path at = fs::absolute(path, error).lexically_normal();
  if (error) throw util::errno_error(name, "create directory", error.value());
  if (!at.has_filename()) at = at.parent_path();
  std::vector<fs::path> out;
  for (; at.has_relative_path() && !fs::exists(at, error); at = at.parent_path())
    out.push_back(at.parent_path());
  return out;
}

void require_directory(const fs::path& path, const std::string& name) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw util::errno_error(name, "open store", errno);
  if (!S_ISDIR(status.st_mode))
    throw Error(ErrorCode::kUnsupported, concat(name, ": open store: not a directory"));
}

[[noreturn]] void throw_not_a_layout(const std::string& name) {
  throw Error(ErrorCode::kUnsupported, concat(name, ": open store: not an OCI image layout"));
}

}  // namespace

Store::Store(fs::path path, util::Durability durability)
    : path_(std::move(path)), name_(util::printable(path_.native())), durability_(durability) {}

Store Store::open(const fs::path& path) {
  Store out(path, util::Durability::kSync);
  require_directory(path, out.name_);
  if (!file_exists(path / kLayoutFile)) throw_not_a_layout(out.name_);
  out.check_layout();
  return out;
}

Store Store::create_or_open(const fs::path& path, util::Durability durability) {
  Store out(path, durability);
  const std::vector<fs::path> changed = parents_to_change(path, out.name_);
  make_directories(path, out.name_);
  // Once for a store, so also with kNoSync: a later run with kSync finds nothing to make.
  for (const fs::path& parent : changed)
    util::fsync_directory(parent);
  require_directory(path, out.name_);
  // Before anything is written there: a directory that is something else stays untouched.  Another
  // run may be making the store between the two looks; oci-layout is what it writes first.
  if (!file_exists(path / kLayoutFile) && !is_blank_directory(path, out.name_) &&
      !file_exists(path / kLayoutFile))
    throw_not_a_layout(out.name_);
  out.run_ = std::make_shared<RunDirectory>(path);
  out.initialise();
  out.check_layout();
  return out;
}

// Makes what is missing.  oci-layout comes first and makes the directory ours, so that an
// interruption at any point leaves something that the next run completes.
void Store::initialise() {
  const FileLock guard = FileLock::acquire(path_ / kLockName);
  if (!file_exists(path_ / kLayoutFile)) {
    if (!is_blank_directory(path_, name_)) throw_not_a_layout(name_);
    write_file(kLayoutFile, oci::kLayoutFileJson);
  }
  make_directories(blobs_directory(), name_);
  if (!file_exists(path_ / kIndexFile)) {
    // With objects in it, a store that lost its index is damaged, not new.
    std::error_code error;
    if (fs::directory_iterator(blobs_directory(), error) != fs::directory_iterator())
      throw Error(ErrorCode::kCorrupt, concat(name_, ": open store: index.json is missing"));
    write_file(kIndexFile, oci::to_json(oci::Index{}));
  }
  sync_directory(path_ / "blobs");
  sync_directory(path_);
}

void Store::check_layout() const {
  const std::string text = util::read_text_file(path_ / kLayoutFile, oci::kMaxManifestBytes);
  oci::check_layout_file(text, concat(name_, "/oci-layout"));
  if (!file_exists(path_ / kIndexFile))
    throw Error(ErrorCode::kCorrupt, concat(name_, ": open store: index.json is missing"));
  list();
}

void Store::sync_directory(const fs::path& directory) const {
  if (durability_ == util::Durability::kSync) util::fsync_directory(directory);
}

// Replaces a file in the root of the store.
void Store::write_file(const char* file, std::string_view text) {
  const fs::path temporary = run_->new_path();
  const util::Fd fd = util::open_file(temporary, O_WRONLY | O_CREAT | O_EXCL);
  util::write_full(fd.get(), util::as_bytes(text), name_);
  keep_access(fd.get(), path_ / file);
  // Also with kNoSync: it names what other runs brought to the disk.
  util::fsync_fd(fd.get(), name_);
  if (::rename(temporary.c_str(), (path_ / file).c_str()) != 0)
    throw util::errno_error(concat(name_, "/", file), "rename into place", errno);
}

std::string Store::read_index() const {
  return util::read_text_file(path_ / kIndexFile, oci::kMaxIndexBytes);
}

fs::path Store::blob_path(const hash::Digest& digest) const {
  return blobs_directory() / digest.hex();
}

std::optional<std::uint64_t> Store::blob_size(const hash::Digest& digest) const {
  struct stat status {};
  if (::stat(blob_path(digest).c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw util::errno_error(util::printable(blob_path(digest).native()), "stat", errno);
  }
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

OpenBlob Store::open_blob(const hash::Digest& digest) const {
  // Asking first keeps a fifo, on which open() would wait, from being opened.
  if (!has_blob(digest)) {
    throw Error(ErrorCode::kNotFound,
                concat(name_, ": open blob: ", digest.to_string(), " is not in the store"));
  }
  OpenBlob out;
  out.fd = util::open_file(blob_path(digest), O_RDONLY);
  out.size = util::file_size(out.fd.get(), name_);
  return out;
}

std::string Store::read_small_blob(const hash::Digest& digest, std::uint64_t limit) const {
  const OpenBlob blob = open_blob(digest);
  if (blob.size > limit) {
    throw Error(ErrorCode::kTooLarge, concat(name_, ": read blob: ", digest.to_string(), " has ",
                                             blob.size, " bytes, more than ", limit));
  }
  util::Buffer bytes(static_cast<std::size_t>(blob.size));
  util::pread_full(blob.fd.get(), bytes, 0, concat(name_, ": blob ", digest.to_string()));
  if (hash::sha256(bytes) != digest) {
    throw Error(ErrorCode::kDigestMismatch,
                concat(name_, ": read blob: ", digest.to_string(), " holds other bytes"));
  }
  return std::string(util::as_text(bytes));
}

StagedBlob Store::stage() {
  ASSERT(run_ != nullptr);
  return StagedBlob(*this, run_);
}

oci::Descriptor Store::put_bytes(util::Bytes bytes, std::string_view media_type) {
  oci::Descriptor out;
  out.media_type = media_type;
  out.digest = hash::sha256(bytes);
  out.size = bytes.size();
  StagedBlob blob = stage();
  blob.write(bytes);
  blob.commit(out.digest);
  return out;
}

void Store::make_durable(const hash::Digest& digest) const {
  if (durability_ == util::Durability::kSync) util::fsync_fd(open_blob(digest).fd.get(), name_);
}

void Store::check_complete(const oci::Descriptor& manifest) const {
  const std::string what = concat(name_, ": manifest ", manifest.digest.to_string());
  const auto check = [&](const oci::Descriptor& object) {
    const auto size = blob_size(object.digest);
    if (!size) {
      throw Error(ErrorCode::kNotFound,
                  concat(what, ": add: ", object.digest.to_string(), " is not in the store"));
    }
    if (*size != object.size) {
      throw Error(ErrorCode::kCorrupt, concat(what, ": add: ", object.digest.to_string(), " has ",
                                              *size, " bytes, not ", object.size));
    }
  };
  check(manifest);
  const oci::Manifest parsed =
      oci::parse_manifest(read_small_blob(manifest.digest, oci::kMaxManifestBytes), what);
  check(parsed.config);
  for (const oci::Descriptor& layer : parsed.layers)
    check(layer);
}

AddResult Store::add_image(const oci::Descriptor& manifest, std::string_view ref) {
  ASSERT(run_ != nullptr);
  if (!ref.empty()) oci::check_ref_name(ref);
  check_complete(manifest);
  const FileLock guard = FileLock::acquire(path_ / kLockName);
  const oci::IndexEdit edit =
      oci::add_to_index(read_index(), concat(name_, "/index.json"), manifest, ref);
  if (edit.json.size() > oci::kMaxIndexBytes)
    throw Error(ErrorCode::kTooLarge, concat(name_, "/index.json: write: too many images"));
  // One sync for the names of all objects that were added; the index must not come before them.
  // Also where it has the image: a run without syncs may have added it.
  sync_directory(blobs_directory());
  if (edit.changed) write_file(kIndexFile, edit.json);
  sync_directory(path_);
  return {edit.changed, edit.moved_from};
}

std::vector<oci::Descriptor> Store::list() const {
  return oci::parse_index(read_index(), concat(name_, "/index.json")).manifests;
}

}  // namespace ondemand::store
