// SPDX-License-Identifier: Apache-2.0
#include "image/staged_source.h"

#include <algorithm>

#include "hash/sha256.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::image {

namespace {

constexpr std::size_t kPieceBytes = 1024 * std::size_t{util::kKiB};

}  // namespace

void StagedSource::add_file(const hash::Digest& digest, int fd, std::uint64_t size) {
  files_[digest] = {fd, size};
}

hash::Digest StagedSource::add_bytes(std::string bytes) {
  const hash::Digest digest = hash::sha256(util::as_bytes(bytes));
  objects_[digest] = std::move(bytes);
  return digest;
}

std::optional<source::ManifestBytes> StagedSource::find_manifest(std::string_view reference,
                                                                 source::Deadline) {
  const auto digest = hash::Digest::parse(reference);
  if (!digest) return std::nullopt;
  const auto object = objects_.find(*digest);
  if (object == objects_.end()) return std::nullopt;
  return source::ManifestBytes{object->second, *digest};
}

bool StagedSource::read(const hash::Digest& blob, std::uint64_t offset,
                        util::MutableBytes out) const {
  if (const auto object = objects_.find(blob); object != objects_.end()) {
    const std::string& bytes = object->second;
    if (offset > bytes.size() || out.size() > bytes.size() - offset)
      throw util::Error(util::ErrorCode::kCorrupt,
                        util::concat(name_, ": read ", blob.to_string(), ": is too short"));
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return true;
  }
  if (const auto file = files_.find(blob); file != files_.end()) {
    util::pread_full(file->second.fd, out, offset, name_);
    return true;
  }
  if (!store_.has_blob(blob)) return false;
  util::pread_full(store_.open_blob(blob).fd.get(), out, offset, store_.name());
  return true;
}

bool StagedSource::read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                             source::Deadline) {
  return read(blob, offset, out);
}

bool StagedSource::copy_blob(const hash::Digest& blob, std::uint64_t size, util::ByteSink& sink,
                             std::chrono::milliseconds) {
  util::Buffer buffer(static_cast<std::size_t>(std::min<std::uint64_t>(size, kPieceBytes)));
  for (std::uint64_t offset = 0; offset < size;) {
    const auto len =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - offset));
    const util::MutableBytes piece = util::MutableBytes(buffer).first(len);
    if (!read(blob, offset, piece)) return false;
    sink.write(piece);
    offset += len;
  }
  return true;
}

}  // namespace ondemand::image
