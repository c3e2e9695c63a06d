// SPDX-License-Identifier: Apache-2.0
#include "oci/media_type.h"

#include <algorithm>
#include <array>

#include "format/image_spec.h"

namespace ondemand::oci {

namespace {

constexpr std::array<std::string_view, 11> kTarLayers{
    format::kMediaOciLayerTar,
    format::kMediaOciLayerGzip,
    format::kMediaOciLayerZstd,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    format::kMediaDockerLayerTar,
    format::kMediaDockerLayerGzip,
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};

}  // namespace

bool is_index_type(std::string_view media_type) {
  return media_type == format::kMediaOciIndex || media_type == format::kMediaDockerManifestList;
}

bool is_manifest_type(std::string_view media_type) {
  return media_type.empty() || media_type == format::kMediaOciManifest ||
         media_type == format::kMediaDockerManifest;
}

bool is_image_config(std::string_view media_type) {
  return media_type.empty() || media_type == format::kMediaOciConfig ||
         media_type == format::kMediaDockerConfig;
}

bool is_tar_layer(std::string_view media_type) {
  return std::ranges::find(kTarLayers, media_type) != kTarLayers.end();
}

bool is_erofs_layer(std::string_view media_type) {
  return media_type == format::kMediaErofs || media_type == format::kMediaErofsZstd;
}

bool is_chunk_index(std::string_view media_type) {
  return media_type.starts_with("application/vnd.erofs.chunk-index.");
}

LayerFraming layer_framing(std::string_view media_type) {
  // Docker's types name the compression after a dot.
  if (media_type.starts_with("application/vnd.docker.") &&
      (media_type.ends_with(".gzip") || media_type.ends_with(".zstd")))
    return media_type.ends_with(".zstd") ? LayerFraming::kZstd : LayerFraming::kOther;
  const std::size_t plus = media_type.rfind('+');
  if (plus == std::string_view::npos) return LayerFraming::kNone;
  return media_type.substr(plus) == "+zstd" ? LayerFraming::kZstd : LayerFraming::kOther;
}

}  // namespace ondemand::oci
