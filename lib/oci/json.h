// SPDX-License-Identifier: Apache-2.0
//
// OCI JSON <-> plain data.  Parsing throws kCorrupt "name: parse: reason" (name is the caller's
// word for the document) for anything that is not well-formed, has a wrong type, an unknown digest
// algorithm, a negative size, or exceeds the limits below; unknown members are ignored.
// Serialising is deterministic: fixed member order, no white space, UTF-8.
#pragma once

#include <string>
#include <string_view>

#include "oci/descriptor.h"

namespace ondemand::oci {

// Source: distribution specification 1.1, "Pushing manifests": registries should take at least
// 4 MiB.  More than that is refused before it is parsed.
inline constexpr std::size_t kMaxManifestBytes = 4 * 1024 * 1024;
inline constexpr std::size_t kMaxConfigBytes = 16 * 1024 * 1024;
inline constexpr std::size_t kMaxIndexBytes = 16 * 1024 * 1024;
inline constexpr std::size_t kMaxLayers = 65535;

// True when the document is an index or a manifest list (by mediaType, else by its members).
bool is_index(std::string_view json, std::string_view name);
Manifest parse_manifest(std::string_view json, std::string_view name);
Index parse_index(std::string_view json, std::string_view name);
std::string to_json(const Manifest& manifest);
std::string to_json(const Index& index);

}  // namespace ondemand::oci
