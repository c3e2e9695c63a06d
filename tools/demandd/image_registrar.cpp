// SPDX-License-Identifier: Apache-2.0
#include "demandd/image_registrar.h"

#include <utility>

#include "blob/chunk_index.h"
#include "cache/backing_file.h"
#include "cache/fetch.h"
#include "hash/sha256.h"
#include "transport/in_use.h"
#include "util/align.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::demandd {

using util::Error;
using util::ErrorCode;

serve::BlobRef ImageRegistrar::open_blob(const cache::PreparedBlob& blob) const {
  if (blob.chunk_index.empty()) return nullptr;
  const std::string name = util::printable(blob.chunk_index.native());
  const util::Buffer payload = util::read_file(blob.chunk_index, cache::kMaxChunkIndexBytes);
  if (!blob.chunk_index_digest || hash::sha256(payload) != *blob.chunk_index_digest) {
    throw Error(ErrorCode::kDigestMismatch,
                name + ": verify: not the chunk index that the manifest names");
  }
  blob::ChunkIndex index = blob::ChunkIndex::decode(payload, name, blob.stored_end);
  // Of a file that is missing: what prepare gave it.
  const std::uint64_t size =
      blob.size > 0 ? blob.size
                    : util::round_up(index.uncompressed_size(), cache::kBackingAlignment);
  return serve::make_blob(blob.digest, size, std::move(index));
}

// False when that was the last thing told about it.
bool ImageRegistrar::is_news(const std::string& of, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  std::string& known = failures_[of];
  if (known == reason) return false;
  known = reason;
  return true;
}

void ImageRegistrar::forget_failure(const std::string& of) {
  const std::lock_guard lock(mutex_);
  failures_.erase(of);
}

// One file harms no other.
std::optional<Error> ImageRegistrar::watch_file(const transport::BackingFile& file, bool is_local) {
  try {
    if (is_local)
      transport_.offer_local(file);
    else
      transport_.watch(file);
    forget_failure(file.path);
    return std::nullopt;
  } catch (const Error& error) {
    if (is_news(file.path, error.message())) {
      log_.error(
          "file of an image not servable, the others are; unmount the image and run "
          "'blobctl prepare' again",
          {{"file", util::printable(file.path.native())}, {"reason", error.message()}});
    }
    return error;
  }
}

void ImageRegistrar::add(const hash::Digest& manifest) {
  const cache::PreparedImage image = root_.open_record(manifest);
  std::optional<Error> failure =
      watch_file({image.bootstrap, image.bootstrap_digest, nullptr}, true);
  for (const cache::PreparedBlob& blob : image.blobs) {
    serve::BlobRef opened;
    try {
      opened = open_blob(blob);
      forget_failure(blob.digest.hex());
    } catch (const Error& error) {
      if (is_news(blob.digest.hex(), error.message()))
        log_.error("blob not servable, what it lacks will be refused",
                   {{"blob", blob.digest.hex()}, {"reason", error.message()}});
    }
    auto unwatched = watch_file({blob.backing_file, blob.digest, opened}, false);
    if (unwatched && !failure) failure = std::move(unwatched);
  }
  if (failure) throw Error(*failure);
  const std::lock_guard lock(mutex_);
  failures_.erase(manifest.to_string());
  if (images_.insert(manifest).second) {
    log_.info("image registered", {{"image", manifest.to_string()}, {"blobs", image.blobs.size()}});
  }
}

void ImageRegistrar::add_all() {
  for (const hash::Digest& manifest : root_.list_images()) {
    {
      const std::lock_guard lock(mutex_);
      if (images_.count(manifest) > 0) continue;
    }
    try {
      add(manifest);
    } catch (const Error& error) {
      if (is_news(manifest.to_string(), error.message()))
        log_.error("image not servable as a whole",
                   {{"image", manifest.to_string()}, {"reason", error.message()}});
    }
  }
}

void ImageRegistrar::add_strays() {
  std::optional<Error> failure;
  for (const std::filesystem::path& file : transport::incomplete_files(root_.path())) {
    try {
      transport_.watch({file, hash::Digest{}, nullptr});
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kNotFound) continue;  // it has just gone
      log_.error("file not watched", {{"file", file.native()}, {"reason", error.message()}});
      if (!failure) failure = error.with_context("files with missing data: take over");
    }
  }
  if (failure) throw Error(*failure);
}

std::size_t ImageRegistrar::images() const {
  const std::lock_guard lock(mutex_);
  return images_.size();
}

}  // namespace ondemand::demandd
