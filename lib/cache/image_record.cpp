// SPDX-License-Identifier: Apache-2.0
#include "cache/image_record.h"

#include <utility>

#include "cache/backing_path.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

bool is_kept(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == ':' || c == '@';
}

}  // namespace

std::string escape_name(std::string_view name) {
  if (name.empty()) throw util::Error(util::ErrorCode::kUsage, "image reference: check: is empty");
  std::string escaped;
  for (const char c : name) {
    if (is_kept(c) && !(escaped.empty() && c == '.')) {
      escaped += c;
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(c);
    escaped += util::concat('%', util::to_hex(util::Bytes(&byte, 1)));
  }
  if (escaped.size() > kMaxNameBytes)
    throw util::Error(util::ErrorCode::kTooLarge,
                      util::concat("image reference: check: ", name.size(),
                                   " bytes are too long for a name in a cache"));
  return escaped;
}

std::optional<std::string> unescape_name(std::string_view file_name) {
  std::string name;
  for (std::size_t i = 0; i < file_name.size(); ++i) {
    if (file_name[i] != '%') {
      if (!is_kept(file_name[i])) return std::nullopt;
      name += file_name[i];
      continue;
    }
    const auto byte = util::from_hex(file_name.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    name += static_cast<char>((*byte)[0]);
    i += 2;
  }
  // Also refuses foreign and temporary files: only what escapes to itself was written by us.
  if (name.empty() || escape_name(name) != file_name) return std::nullopt;
  return name;
}

std::optional<hash::Digest> trusted_index_digest(const oci::DeviceBlob& device) {
  if (device.standalone_index) return device.standalone_index->digest;
  if (device.embedded_index) return device.embedded_index->payload_digest;
  return std::nullopt;
}

PreparedImage describe_image(const CacheRoot& root, const hash::Digest& manifest,
                             const oci::ErofsImage& image, std::string_view name) {
  PreparedImage prepared;
  prepared.manifest = manifest;
  if (image.bootstrap_framing == oci::Framing::kRaw) {
    prepared.bootstrap_digest = image.bootstrap.digest;
  } else if (image.bootstrap_uncompressed_digest) {
    prepared.bootstrap_digest = *image.bootstrap_uncompressed_digest;
  } else {
    throw util::Error(util::ErrorCode::kUnsupported,
                      util::concat(name,
                                   ": interpret manifest: the compressed bootstrap has no "
                                   "org.erofs.uncompressed-digest"));
  }
  prepared.bootstrap = root.backing_file(prepared.bootstrap_digest);
  for (const oci::DeviceBlob& device : image.devices) {
    PreparedBlob blob;
    blob.digest = device.descriptor.digest;
    blob.backing_file = root.backing_file(blob.digest);
    blob.stored_size = device.descriptor.size;
    blob.stored_end = device.descriptor.size;
    if (device.embedded_index)
      blob.stored_end = std::min(device.embedded_index->range.offset, device.descriptor.size);
    blob.chunk_index_digest = trusted_index_digest(device);
    if (blob.chunk_index_digest) blob.chunk_index = root.chunk_index_file(blob.digest);
    prepared.blobs.push_back(std::move(blob));
  }
  return prepared;
}

}  // namespace ondemand::cache
