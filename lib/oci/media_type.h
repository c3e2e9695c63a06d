// SPDX-License-Identifier: Apache-2.0
//
// What a media type says about the bytes of a manifest or layer.
// Source: OCI image specification 1.1, media-types.md; Docker image manifest V2, schema 2;
// erofs-image-spec section 2.
#pragma once

#include <string_view>

namespace ondemand::oci {

bool is_index_type(std::string_view media_type);  // OCI index, Docker manifest list
// OCI or Docker manifest, configuration of an OCI or Docker image; also no type at all, which
// descriptors of some tools have.
bool is_manifest_type(std::string_view media_type);
bool is_image_config(std::string_view media_type);

// A tar layer of the OCI or Docker kind, plain, gzip or zstd, "nondistributable" and "foreign"
// ones included.
bool is_tar_layer(std::string_view media_type);
bool is_erofs_layer(std::string_view media_type);  // raw or +zstd
bool is_chunk_index(std::string_view media_type);  // of any version

// The compression that the type's suffix names: what is undone before the bytes are used.
enum class LayerFraming { kNone, kZstd, kOther };
LayerFraming layer_framing(std::string_view media_type);

}  // namespace ondemand::oci
