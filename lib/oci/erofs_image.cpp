// SPDX-License-Identifier: Apache-2.0
#include "oci/erofs_image.h"

#include <algorithm>
#include <string>

#include "format/image_spec.h"
#include "oci/json.h"
#include "oci/media_type.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::oci {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

enum class LayerKind { kMountable, kDevice, kIndex, kUnknownIndex, kOverlayData, kTar };

class Interpreter {
 public:
  Interpreter(const Manifest& manifest, std::string_view name) : manifest_(manifest), name_(name) {}

  ErofsImage run();

 private:
  [[noreturn]] void fail(ErrorCode code, std::size_t layer, std::string_view reason) const {
    throw Error(code, concat(name_, ": interpret: layer ", layer, " (",
                             util::printable(manifest_.layers[layer].media_type), ") ", reason));
  }
  LayerKind kind(std::size_t layer) const;
  void check_order() const;
  void check_index_place(std::size_t layer) const;
  Framing framing(std::size_t layer) const;
  std::optional<hash::Digest> digest_annotation(std::size_t layer, std::string_view key) const;
  std::optional<EmbeddedIndex> embedded_index(std::size_t layer) const;
  DeviceBlob make_device(std::size_t layer) const;

  const Manifest& manifest_;
  std::string_view name_;
};

LayerKind Interpreter::kind(std::size_t layer) const {
  const Descriptor& descriptor = manifest_.layers[layer];
  const std::string role = descriptor.annotation(format::kAnnotationRole);
  // Whatever its media type is, a device is a source of bytes (section 2.2).
  if (role == format::kRoleDevice) return LayerKind::kDevice;
  if (role == format::kRoleOverlayData) return LayerKind::kOverlayData;
  if (!role.empty() && role != format::kRoleOverlayLower)
    fail(ErrorCode::kUnsupported, layer,
         concat("has the unknown role '", util::printable(role), "'"));
  if (is_erofs_layer(descriptor.media_type)) return LayerKind::kMountable;
  if (descriptor.media_type == format::kMediaChunkIndex) return LayerKind::kIndex;
  if (is_chunk_index(descriptor.media_type)) return LayerKind::kUnknownIndex;
  if (is_tar_layer(descriptor.media_type)) return LayerKind::kTar;
  fail(ErrorCode::kUnsupported, layer, "is of an unknown type");
}

// A standalone index follows the layer that it indexes, is never first, and its target, if it
// names one, is that layer (section 3.8, rule 4; section 2.3).
void Interpreter::check_index_place(std::size_t layer) const {
  if (layer == 0) fail(ErrorCode::kCorrupt, layer, "is a chunk index before any layer");
  const LayerKind before = kind(layer - 1);
  if (before == LayerKind::kIndex || before == LayerKind::kUnknownIndex)
    fail(ErrorCode::kCorrupt, layer, "is a chunk index of a chunk index");
  const auto target = digest_annotation(layer, format::kAnnotationIndexTarget);
  if (target && *target != manifest_.layers[layer - 1].digest)
    fail(ErrorCode::kCorrupt, layer,
         concat("has the target ", target->to_string(), ", which is not the layer before it"));
}

void Interpreter::check_order() const {
  const std::size_t count = manifest_.layers.size();
  if (count == 0) throw Error(ErrorCode::kUnsupported, concat(name_, ": interpret: has no layers"));
  if (count > kMaxLayers)
    throw Error(ErrorCode::kTooLarge,
                concat(name_, ": interpret: more than ", kMaxLayers, " layers"));
  std::size_t tars = 0;
  for (std::size_t i = 0; i < count; ++i)
    tars += kind(i) == LayerKind::kTar ? 1U : 0U;
  if (tars == count) {
    throw Error(ErrorCode::kUnsupported,
                concat(name_, ": interpret: is an ordinary tar image, not an EROFS image"));
  }
  for (std::size_t i = 0; i < count; ++i) {
    switch (kind(i)) {
      case LayerKind::kTar:
        fail(ErrorCode::kUnsupported, i, "is a tar layer beside EROFS layers");
      case LayerKind::kOverlayData:
        fail(ErrorCode::kUnsupported, i, "is for overlayfs (role overlay-data)");
      case LayerKind::kMountable:
        if (i + 1 < count)
          fail(ErrorCode::kUnsupported, i,
               "is not the only mountable one: several EROFS layers under overlayfs");
        break;
      case LayerKind::kIndex:
      case LayerKind::kUnknownIndex:
        check_index_place(i);
        break;
      case LayerKind::kDevice:
        break;
    }
  }
  if (kind(count - 1) != LayerKind::kMountable)
    fail(ErrorCode::kCorrupt, count - 1, "is the last one but no mountable EROFS image");
}

Framing Interpreter::framing(std::size_t layer) const {
  const std::string& type = manifest_.layers[layer].media_type;
  switch (layer_framing(type)) {
    case LayerFraming::kNone:
      return Framing::kRaw;
    case LayerFraming::kZstd:
      return Framing::kZstd;
    case LayerFraming::kOther:
      break;
  }
  fail(ErrorCode::kUnsupported, layer, "is framed in a way other than zstd");
}

std::optional<hash::Digest> Interpreter::digest_annotation(std::size_t layer,
                                                           std::string_view key) const {
  const std::string text = manifest_.layers[layer].annotation(key);
  if (text.empty()) return std::nullopt;
  const auto digest = hash::Digest::parse(text);
  if (!digest)
    fail(ErrorCode::kCorrupt, layer,
         concat("has an annotation ", key, " that is no sha256 digest"));
  return digest;
}

// "offset[:end)" without the bracket: "4096" or "4096:8192" (section 2.3).
std::optional<EmbeddedIndex> Interpreter::embedded_index(std::size_t layer) const {
  const Descriptor& descriptor = manifest_.layers[layer];
  const std::string text = descriptor.annotation(format::kAnnotationIndexRange);
  if (text.empty()) return std::nullopt;
  const std::string type = descriptor.annotation(format::kAnnotationIndexMediaType);
  if (!type.empty() && type != format::kMediaChunkIndex) return std::nullopt;
  const std::size_t colon = text.find(':');
  const auto offset = util::parse_u64(std::string_view(text).substr(0, colon));
  auto end = std::optional<std::uint64_t>(descriptor.size);
  if (colon != std::string::npos) end = util::parse_u64(std::string_view(text).substr(colon + 1));
  if (!offset || !end || *offset >= *end || *end > descriptor.size) {
    fail(ErrorCode::kCorrupt, layer,
         concat("has the chunk index range '", util::printable(text), "', which is not one of its ",
                descriptor.size, " bytes"));
  }
  EmbeddedIndex out;
  out.range = {*offset, colon == std::string::npos ? 0 : *end - *offset};
  out.payload_digest = digest_annotation(layer, format::kAnnotationIndexDigest);
  return out;
}

DeviceBlob Interpreter::make_device(std::size_t layer) const {
  DeviceBlob out;
  out.descriptor = manifest_.layers[layer];
  out.framing = framing(layer);
  out.uncompressed_digest = digest_annotation(layer, format::kAnnotationUncompressedDigest);
  out.embedded_index = embedded_index(layer);
  // The last layer is the mountable one, so there is a next.
  if (kind(layer + 1) == LayerKind::kIndex) out.standalone_index = manifest_.layers[layer + 1];
  return out;
}

ErofsImage Interpreter::run() {
  check_order();
  const std::size_t last = manifest_.layers.size() - 1;
  ErofsImage out;
  for (std::size_t i = 0; i < last; ++i)
    if (kind(i) == LayerKind::kDevice) out.devices.push_back(make_device(i));
  out.bootstrap = manifest_.layers[last];
  out.bootstrap_framing = framing(last);
  out.bootstrap_uncompressed_digest =
      digest_annotation(last, format::kAnnotationUncompressedDigest);
  out.bootstrap_index = embedded_index(last);
  return out;
}

}  // namespace

ErofsImage interpret_manifest(const Manifest& manifest, std::string_view name) {
  return Interpreter(manifest, name).run();
}

}  // namespace ondemand::oci
