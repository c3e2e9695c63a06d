// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_root.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "cache/backing_path.h"
#include "cache/directory.h"
#include "cache/image_record.h"
#include "hash/sha256.h"
#include "oci/json.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

using util::Error;
using util::ErrorCode;

// "sha256:" + 64 digits + newline.
constexpr std::uint64_t kMaxNameFileBytes = 256;

std::filesystem::path object_path(const std::filesystem::path& root, const char* directory,
                                  const std::string& name) {
  return root / directory / name;
}

std::uint64_t size_of(const std::filesystem::path& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return 0;
  return static_cast<std::uint64_t>(info.st_size);
}

void check_is_there(const std::filesystem::path& path, const hash::Digest& manifest) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 && errno != ENOENT)
    throw util::errno_error(util::printable(path.native()), "look up", errno);
  if (S_ISREG(info.st_mode)) return;
  throw Error(
      ErrorCode::kNotFound,
      util::concat("image ", manifest.to_string(), ": open: backing file ",
                   util::printable(path.native()), " is missing; run 'blobctl prepare' again"));
}

std::optional<hash::Digest> read_name_file(const std::filesystem::path& path) {
  std::string text;
  try {
    text = util::read_text_file(path, kMaxNameFileBytes);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return std::nullopt;
    throw;
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  const auto digest = hash::Digest::parse(text);
  if (!digest)
    throw Error(ErrorCode::kCorrupt,
                util::concat(util::printable(path.native()), ": read: holds no digest; remove it"));
  return digest;
}

}  // namespace

CacheRoot::CacheRoot(std::filesystem::path root, std::string domain)
    : root_(std::move(root)), domain_(std::move(domain)) {
  volume_directory_name(volume_key());  // refuses a domain that no volume can have
}

void CacheRoot::create() const {
  std::error_code error;
  if (root_.has_parent_path()) std::filesystem::create_directories(root_.parent_path(), error);
  // The root itself may be a symbolic link.
  if (!std::filesystem::is_directory(root_, error)) ensure_directory(root_);
  for (const std::filesystem::path& path :
       {cache_directory(), root_ / "graveyard", root_ / "images", images_directory(),
        root_ / "refs", root_ / "chunk-index", temporary_directory()})
    ensure_directory(path);
}

std::filesystem::path CacheRoot::cache_directory() const {
  return root_ / "cache";
}

std::filesystem::path CacheRoot::backing_file(const hash::Digest& cookie) const {
  return cache_directory() / backing_path(volume_key(), cookie.hex());
}

std::filesystem::path CacheRoot::images_directory() const {
  return root_ / "images" / "sha256";
}

std::filesystem::path CacheRoot::manifest_file(const hash::Digest& manifest) const {
  return images_directory() / manifest.hex();
}

std::filesystem::path CacheRoot::chunk_index_file(const hash::Digest& blob) const {
  return object_path(root_, "chunk-index", blob.hex());
}

std::filesystem::path CacheRoot::name_file(std::string_view name) const {
  return object_path(root_, "refs", escape_name(name));
}

std::filesystem::path CacheRoot::temporary_directory() const {
  return root_ / "tmp";
}

std::optional<hash::Digest> CacheRoot::resolve(std::string_view reference) const {
  if (reference.empty()) return std::nullopt;
  std::optional<hash::Digest> digest = hash::Digest::parse(reference);
  if (!digest) digest = read_name_file(name_file(reference));
  if (!digest) return std::nullopt;
  struct stat info {};
  if (::stat(manifest_file(*digest).c_str(), &info) == 0) return digest;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw util::errno_error(util::printable(manifest_file(*digest).native()), "look up", errno);
}

std::vector<hash::Digest> CacheRoot::list_images() const {
  std::vector<hash::Digest> images;
  std::error_code error;
  std::filesystem::directory_iterator entry(images_directory(), error);
  for (const std::filesystem::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    if (const auto digest = hash::Digest::from_hex(entry->path().filename().native()))
      images.push_back(*digest);
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw util::errno_error(util::printable(images_directory().native()), "list", error.value());
  std::sort(images.begin(), images.end());
  return images;
}

std::vector<ImageName> CacheRoot::list_names() const {
  std::vector<ImageName> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(root_ / "refs", error);
  for (const std::filesystem::directory_iterator end; !error && entry != end;
       entry.increment(error)) {
    const auto name = unescape_name(entry->path().filename().native());
    if (!name) continue;
    if (const auto digest = read_name_file(entry->path())) names.push_back({*name, *digest});
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw util::errno_error(util::printable((root_ / "refs").native()), "list", error.value());
  std::sort(names.begin(), names.end(),
            [](const ImageName& a, const ImageName& b) { return a.name < b.name; });
  return names;
}

std::string CacheRoot::read_manifest(const hash::Digest& manifest) const {
  const std::filesystem::path path = manifest_file(manifest);
  std::string json = util::read_text_file(path, oci::kMaxManifestBytes);
  const hash::Digest found = hash::sha256(util::as_bytes(json));
  if (found != manifest)
    throw Error(
        ErrorCode::kDigestMismatch,
        util::concat(util::printable(path.native()), ": verify: has digest ", found.to_string()));
  return json;
}

PreparedImage CacheRoot::open_image(const hash::Digest& manifest) const {
  PreparedImage prepared = open_record(manifest);
  check_is_there(prepared.bootstrap, manifest);
  for (const PreparedBlob& blob : prepared.blobs)
    check_is_there(blob.backing_file, manifest);
  return prepared;
}

PreparedImage CacheRoot::open_record(const hash::Digest& manifest) const {
  const std::string name = util::concat("image ", manifest.to_string());
  if (!resolve(manifest.to_string()))
    throw Error(ErrorCode::kNotFound,
                util::concat(name, ": open: is not prepared in ", util::printable(root_.native())));
  const oci::ErofsImage image =
      oci::interpret_manifest(oci::parse_manifest(read_manifest(manifest), name), name);
  PreparedImage prepared = describe_image(*this, manifest, image, name);
  prepared.bootstrap_size = size_of(prepared.bootstrap);
  for (PreparedBlob& blob : prepared.blobs) {
    blob.size = size_of(blob.backing_file);
    struct stat info {};
    if (::lstat(chunk_index_file(blob.digest).c_str(), &info) != 0 || !blob.chunk_index_digest) {
      blob.chunk_index.clear();
      blob.chunk_index_digest.reset();
    }
  }
  return prepared;
}

}  // namespace ondemand::cache
