// SPDX-License-Identifier: Apache-2.0
#include "demandd/image_registrar.h"

#include "blob/chunk_index.h"
#include "hash/sha256.h"
#include "transport/in_use.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::demandd {

using util::Error;
using util::ErrorCode;

namespace {
// 48 bytes a frame: enough for blobs of a few TiB at the default frame size.
constexpr std::uint64_t kMaxIndexBytes = 512 * std::uint64_t{util::kMiB};
}  // namespace

serve::BlobRef ImageRegistrar::open_blob(const cache::PreparedBlob& blob) const {
  if (blob.chunk_index.empty()) return nullptr;
  const std::string name = util::printable(blob.chunk_index.native());
  const util::Buffer payload = util::read_file(blob.chunk_index, kMaxIndexBytes);
  if (!blob.chunk_index_digest || hash::sha256(payload) != *blob.chunk_index_digest) {
    throw Error(ErrorCode::kDigestMismatch,
                name + ": verify: not the chunk index that the manifest names");
  }
  return serve::make_blob(blob.digest, blob.size,
                          blob::ChunkIndex::decode(payload, name, blob.stored_end));
}

void ImageRegistrar::add(const hash::Digest& manifest) {
  const cache::PreparedImage image = root_.open_image(manifest);
  transport_.offer_local({image.bootstrap, image.bootstrap_digest, nullptr});
  for (const cache::PreparedBlob& blob : image.blobs) {
    serve::BlobRef opened;
    try {
      opened = open_blob(blob);
    } catch (const Error& error) {
      log_.error("blob not servable, what it lacks will be refused",
                 {{"blob", blob.digest.hex()}, {"reason", error.message()}});
    }
    transport_.watch({blob.backing_file, blob.digest, opened});
  }
  const std::lock_guard lock(mutex_);
  failures_.erase(manifest);
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
      const std::lock_guard lock(mutex_);
      std::string& known = failures_[manifest];
      if (known == error.message()) continue;
      known = error.message();
      log_.error("image not servable, the others are",
                 {{"image", manifest.to_string()}, {"reason", error.message()}});
    }
  }
}

void ImageRegistrar::add_strays() {
  for (const std::filesystem::path& file : transport::incomplete_files(root_.path())) {
    try {
      transport_.watch({file, hash::Digest{}, nullptr});
    } catch (const Error& error) {
      log_.error("file not watched", {{"file", file.native()}, {"reason", error.message()}});
    }
  }
}

std::size_t ImageRegistrar::images() const {
  const std::lock_guard lock(mutex_);
  return images_.size();
}

}  // namespace ondemand::demandd
