// SPDX-License-Identifier: Apache-2.0
//
// Every constant of the EROFS image layer format (draft of erofs/erofs-image-spec, spec.md) and
// of the OCI image specification 1.1 that we write or read.  The draft may still change before its
// first tag; then only this file does.
#pragma once

#include <string_view>

namespace ondemand::format {

// Media types.  Source: erofs-image-spec section 2.1 and 3.4.
inline constexpr std::string_view kMediaErofs = "application/vnd.erofs";
inline constexpr std::string_view kMediaErofsZstd = "application/vnd.erofs+zstd";
inline constexpr std::string_view kMediaChunkIndex = "application/vnd.erofs.chunk-index.v1";
inline constexpr std::string_view kMediaOctetStream = "application/octet-stream";
inline constexpr std::string_view kMediaOctetStreamZstd = "application/octet-stream+zstd";

// Layer roles.  Source: section 2.2.
inline constexpr std::string_view kAnnotationRole = "org.erofs.role";
inline constexpr std::string_view kRoleDevice = "device";
inline constexpr std::string_view kRoleOverlayLower = "overlay-lower";
inline constexpr std::string_view kRoleOverlayData = "overlay-data";

// Descriptor annotations.  Source: section 2.3.
inline constexpr std::string_view kAnnotationIndexRange = "org.erofs.chunk-index.range";
inline constexpr std::string_view kAnnotationIndexDigest = "org.erofs.chunk-index.digest";
inline constexpr std::string_view kAnnotationIndexMediaType = "org.erofs.chunk-index.mediaType";
inline constexpr std::string_view kAnnotationIndexTarget = "org.erofs.chunk-index.target";
inline constexpr std::string_view kAnnotationUncompressedDigest = "org.erofs.uncompressed-digest";

// Required member of os.features.  Source: section 5.
inline constexpr std::string_view kOsFeatureErofs = "erofs";

// OCI image specification 1.1.
inline constexpr std::string_view kMediaOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kMediaOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kMediaOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kMediaOciLayerTar = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kMediaOciLayerGzip =
    "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kMediaOciLayerZstd =
    "application/vnd.oci.image.layer.v1.tar+zstd";
// Deprecated "nondistributable" forms of the three exist too; they are read alike.
inline constexpr std::string_view kAnnotationRefName = "org.opencontainers.image.ref.name";

// Docker image manifest version 2, schema 2 (docker save, docker registries).
inline constexpr std::string_view kMediaDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kMediaDockerManifestList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kMediaDockerConfig =
    "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kMediaDockerLayerTar =
    "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kMediaDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";

// Our own annotations on the manifest.
inline constexpr std::string_view kAnnotationSourceDigest = "io.erofs-ondemand.source.digest";
inline constexpr std::string_view kAnnotationTool = "io.erofs-ondemand.tool";

}  // namespace ondemand::format
