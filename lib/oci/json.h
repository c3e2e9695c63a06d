// SPDX-License-Identifier: Apache-2.0
//
// OCI JSON <-> plain data.  Parsing throws kCorrupt "name: parse: reason" (name is the caller's
// word for the document) for anything that is not well-formed, has a wrong type, an unknown digest
// algorithm, a negative size, or exceeds the limits below; unknown members are ignored.
// A member that is null counts as absent, of duplicate members the last one counts, and a
// document that is manifest and index at once is refused (its meaning would depend on the reader).
// Serialising is deterministic: fixed member order, no white space, UTF-8; text that is not valid
// UTF-8 throws kUsage.
#pragma once

#include <cstddef>
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
// Ours: deeper or more numerous values than any real document has, refused while parsing.
inline constexpr int kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonValues = 1'000'000;

// Source: OCI image specification 1.1, image-layout.md, "oci-layout file".
inline constexpr std::string_view kLayoutFileJson = R"({"imageLayoutVersion":"1.0.0"})";
// Throws kCorrupt when the text is no oci-layout file, kUnsupported for another major version.
void check_layout_file(std::string_view json, std::string_view name);

// True when the document is an index or a manifest list (by mediaType, else by its members).
bool is_index(std::string_view json, std::string_view name);
Manifest parse_manifest(std::string_view json, std::string_view name);
Index parse_index(std::string_view json, std::string_view name);
std::string to_json(const Manifest& manifest);
std::string to_json(const Index& index);

}  // namespace ondemand::oci
