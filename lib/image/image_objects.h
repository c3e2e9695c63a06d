// SPDX-License-Identifier: Apache-2.0
//
// The objects of a finished image and how they become a manifest in the EROFS image layer format.
// Source: erofs-image-spec sections 2, 3.8, 5, 8.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blob/blob_writer.h"
#include "hash/digest.h"
#include "oci/descriptor.h"

namespace ondemand::image {

// The descriptors of a blob and of its chunk index, in the order in which a manifest lists them.
struct BlobLayers {
  oci::Descriptor blob;
  oci::Descriptor index;
};

// A data blob that is stored, with its index in memory.
struct BlobObject {
  blob::BlobResult result;
  bool was_there = false;          // the store had it before
  std::uint64_t layer = 0;         // counted from 1; 0: of the whole image, or of a dictionary
  std::string dictionary{};        // the image that it was found in; empty: made by this build
  std::uint64_t shared_bytes = 0;  // of files outside of its own layer that lie in it
  // As the dictionary's manifest has them; absent where this build describes them.
  std::optional<BlobLayers> layers{};
};

struct BootstrapObject {
  hash::Digest digest;               // of the stored form
  hash::Digest uncompressed_digest;  // of the image that the kernel mounts
  std::uint64_t stored_size = 0;
  std::uint64_t size = 0;
  bool is_compressed = false;
};

// What the manifest says of where the image comes from.
struct Provenance {
  std::string source_config;  // JSON of the source image; empty for a plain root filesystem
  std::string config_name;    // for messages
  std::optional<hash::Digest> source_digest;  // manifest of the source image
  oci::Platform platform;
  std::string tool;                   // name and version
  std::optional<std::int64_t> epoch;  // SOURCE_DATE_EPOCH
};

BlobLayers describe_blob(const blob::BlobResult& result, util::Bytes encoded_index);
oci::Descriptor describe_bootstrap(const BootstrapObject& bootstrap);

// SHA-256 of each layer's decompressed bytes, one for each layer.
std::vector<hash::Digest> diff_ids(const std::vector<BlobLayers>& blobs,
                                   const std::vector<BlobObject>& objects,
                                   const BootstrapObject& bootstrap);
// Configuration of the image, JSON.
std::string make_config(const Provenance& provenance, const std::vector<hash::Digest>& diff_ids);
oci::Manifest make_manifest(const oci::Descriptor& config, const std::vector<BlobLayers>& blobs,
                            const oci::Descriptor& bootstrap, const Provenance& provenance);

// All of an image but what is in staged files; nothing is written.
struct Publication {
  std::vector<BlobLayers> layers;     // of the blobs, in order
  std::vector<util::Buffer> indexes;  // encoded; empty for a blob whose index the store has
  std::string config;
  std::string manifest;
};
Publication plan_publication(const std::vector<BlobObject>& blobs, const BootstrapObject& bootstrap,
                             const Provenance& provenance);

}  // namespace ondemand::image
