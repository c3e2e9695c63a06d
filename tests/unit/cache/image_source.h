// SPDX-License-Identifier: Apache-2.0
//
// A Source in memory that can be told to lie, and images to put into it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "blob/chunk_index.h"
#include "codec/zstd.h"
#include "format/image_spec.h"
#include "hash/sha256.h"
#include "oci/json.h"
#include "source/source.h"
#include "support/temporary_directory.h"
#include "util/bytes.h"
#include "util/error.h"

namespace ondemand::test {

class ImageSource : public source::Source {
 public:
  const std::string& name() const override { return name_; }

  std::optional<source::ManifestBytes> find_manifest(std::string_view reference,
                                                     source::Deadline) override {
    ++requests;
    const auto found = names.find(std::string(reference));
    const auto digest =
        found != names.end() ? std::optional(found->second) : hash::Digest::parse(reference);
    if (!digest || blobs.count(*digest) == 0) return std::nullopt;
    std::string json(util::as_text(stored(*digest)));
    return source::ManifestBytes{std::move(json), *digest};
  }

  bool read_blob(const hash::Digest& blob, std::uint64_t offset, util::MutableBytes out,
                 source::Deadline) override {
    ++requests;
    if (blobs.count(blob) == 0) return false;
    const util::Buffer bytes = stored(blob);
    if (offset + out.size() > bytes.size())
      throw util::Error(util::ErrorCode::kUnavailable, "fake: range outside of the blob");
    std::memcpy(out.data(), bytes.data() + offset, out.size());
    return true;
  }

  bool copy_blob(const hash::Digest& blob, std::uint64_t, util::ByteSink& sink,
                 std::chrono::milliseconds) override {
    ++requests;
    if (blobs.count(blob) == 0) return false;
    whole_blobs.insert(blob);
    const util::Buffer bytes = stored(blob);
    if (break_after && bytes.size() > *break_after) {
      sink.write(util::Bytes(bytes).first(*break_after));
      throw util::Error(util::ErrorCode::kUnavailable, "fake: connection broke off");
    }
    sink.write(bytes);
    return true;
  }

  hash::Digest add(util::Buffer bytes) {
    const hash::Digest digest = hash::sha256(bytes);
    blobs[digest] = std::move(bytes);
    return digest;
  }

  std::map<std::string, hash::Digest> names;
  std::map<hash::Digest, util::Buffer> blobs;
  std::set<hash::Digest> liars;        // one bit of these is wrong
  std::set<hash::Digest> too_long;     // these have a byte more than they should
  std::set<hash::Digest> whole_blobs;  // asked for by copy_blob
  std::optional<std::size_t> break_after;
  int requests = 0;

 private:
  util::Buffer stored(const hash::Digest& digest) const {
    util::Buffer bytes = blobs.at(digest);
    if (liars.count(digest) != 0) bytes[bytes.size() / 2] ^= 1;
    if (too_long.count(digest) != 0) bytes.push_back(0);
    return bytes;
  }
  std::string name_ = "fake-store";
};

inline util::Buffer pattern(std::size_t len, unsigned seed) {
  util::Buffer bytes(len);
  std::uint32_t state = seed * 2654435761U + 1;
  for (auto& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::uint8_t>(state >> 28);  // few bits, so that it compresses
  }
  return bytes;
}

inline oci::Descriptor describe(std::string_view media_type, const hash::Digest& digest,
                                std::uint64_t size) {
  oci::Descriptor descriptor;
  descriptor.media_type = media_type;
  descriptor.digest = digest;
  descriptor.size = size;
  return descriptor;
}

enum class IndexKind { kNone, kStandalone, kEmbedded, kUnsupported };

// A device blob of `view`, in frames of 64 KiB, with its index, as manifest layers.
inline std::vector<oci::Descriptor> make_device(ImageSource& source, const util::Buffer& view,
                                                bool zstd, IndexKind kind) {
  constexpr std::size_t kFrame = 65536;
  blob::ChunkIndex index;
  index.set_form(zstd ? blob::StoredForm::kZstd : blob::StoredForm::kRaw);
  codec::FrameCompressor compressor(3);
  util::Buffer stored;
  for (std::size_t at = 0; at < view.size(); at += kFrame) {
    const util::Bytes piece = util::Bytes(view).subspan(at, std::min(kFrame, view.size() - at));
    util::Buffer frame(piece.begin(), piece.end());
    if (zstd) compressor.compress(piece, frame);
    index.append(frame.size(), piece.size(), hash::sha256(frame));
    stored.insert(stored.end(), frame.begin(), frame.end());
  }
  util::Buffer payload = index.encode();
  if (kind == IndexKind::kUnsupported) payload[5] = 9;  // an unknown compression
  const hash::Digest payload_digest = hash::sha256(payload);
  const std::uint64_t index_at = stored.size();
  if (kind == IndexKind::kEmbedded) {
    const auto len = static_cast<std::uint32_t>(payload.size());
    if (zstd) {  // a skippable frame, RFC 8878 section 3.1.2
      for (const std::uint32_t word : {0x184D2A5EU, len})
        for (int shift = 0; shift < 32; shift += 8)
          stored.push_back(static_cast<std::uint8_t>(word >> shift));
    }
    stored.insert(stored.end(), payload.begin(), payload.end());
  }
  const std::uint64_t size = stored.size();
  const hash::Digest digest = source.add(std::move(stored));
  oci::Descriptor device =
      describe(zstd ? format::kMediaOctetStreamZstd : format::kMediaOctetStream, digest, size);
  device.annotations[std::string(format::kAnnotationRole)] = format::kRoleDevice;
  if (zstd)
    device.annotations[std::string(format::kAnnotationUncompressedDigest)] =
        hash::sha256(view).to_string();
  if (kind == IndexKind::kEmbedded) {
    device.annotations[std::string(format::kAnnotationIndexRange)] = std::to_string(index_at);
    device.annotations[std::string(format::kAnnotationIndexDigest)] = payload_digest.to_string();
  }
  std::vector<oci::Descriptor> layers{device};
  if (kind == IndexKind::kStandalone || kind == IndexKind::kUnsupported) {
    const std::uint64_t len = payload.size();
    layers.push_back(describe(format::kMediaChunkIndex, source.add(std::move(payload)), len));
    layers.back().annotations[std::string(format::kAnnotationIndexTarget)] = digest.to_string();
  }
  return layers;
}

inline oci::Descriptor make_bootstrap(ImageSource& source, const util::Buffer& image, bool zstd) {
  util::Buffer stored = image;
  if (zstd) codec::FrameCompressor(3).compress(image, stored);
  const std::uint64_t size = stored.size();
  oci::Descriptor descriptor = describe(zstd ? format::kMediaErofsZstd : format::kMediaErofs,
                                        source.add(std::move(stored)), size);
  if (zstd)
    descriptor.annotations[std::string(format::kAnnotationUncompressedDigest)] =
        hash::sha256(image).to_string();
  return descriptor;
}

// Adds a manifest with these layers under a name and returns its digest.
inline hash::Digest add_image(ImageSource& source, const std::string& name,
                              const std::vector<oci::Descriptor>& layers) {
  oci::Manifest manifest;
  manifest.media_type = format::kMediaOciManifest;
  util::Buffer config{'{', '}'};
  manifest.config = describe(format::kMediaOciConfig, source.add(config), config.size());
  manifest.layers = layers;
  const std::string json = oci::to_json(manifest);
  const hash::Digest digest = source.add(util::Buffer(json.begin(), json.end()));
  source.names[name] = digest;
  return digest;
}

}  // namespace ondemand::test
