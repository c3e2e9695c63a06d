// SPDX-License-Identifier: Apache-2.0
//
// What a manifest means in the EROFS image layer format: one mountable bootstrap, its device
// blobs in device-table order, and where each blob's chunk index is.
// Source: erofs-image-spec sections 2, 3.8, 5, 8.2.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "hash/digest.h"
#include "oci/descriptor.h"
#include "util/units.h"

namespace ondemand::oci {

enum class Framing { kRaw, kZstd };  // by the "+zstd" suffix of the media type

// A chunk index inside the blob itself.  range.len == 0 means "to the end of the blob".
// For kZstd, range.offset is that of the skippable frame that holds the payload 8 bytes later.
struct EmbeddedIndex {
  util::ByteRange range;
  std::optional<hash::Digest> payload_digest;
};

struct DeviceBlob {
  Descriptor descriptor;
  Framing framing = Framing::kRaw;
  std::optional<hash::Digest> uncompressed_digest;
  std::optional<Descriptor> standalone_index;
  std::optional<EmbeddedIndex> embedded_index;
};

struct ErofsImage {
  Descriptor bootstrap;
  Framing bootstrap_framing = Framing::kRaw;
  std::optional<hash::Digest> bootstrap_uncompressed_digest;
  // The bootstrap is the last layer, and no standalone index is: its own can only be embedded.
  std::optional<EmbeddedIndex> bootstrap_index;
  std::vector<DeviceBlob> devices;  // in the order of the device table
};

// Throws kCorrupt for a manifest that breaks the rules (order, targets, annotations),
// kUnsupported for what is well-formed but not ours to serve (several mountable layers under
// overlayfs, ordinary tar images, devices under a framing other than zstd: the message says
// which).  Index formats that are not understood are passed over (section 8.2): the layer then has
// no index.  `name` is for messages.
ErofsImage interpret_manifest(const Manifest& manifest, std::string_view name);

}  // namespace ondemand::oci
