// SPDX-License-Identifier: Apache-2.0
//
// What a cache root writes down about an image: the form of names, and what its manifest says
// about files in the cache.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cache/cache_root.h"
#include "hash/digest.h"
#include "oci/erofs_image.h"

namespace ondemand::cache {

// File name of a reference: letters, digits and "-_.:@" stay, all else and a leading '.' become
// %hh.  Throws kTooLarge when the result does not fit a directory entry, kUsage when empty.
std::string escape_name(std::string_view name);
// nullopt for what escape_name() never writes.
std::optional<std::string> unescape_name(std::string_view file_name);

// Digest of the chunk index payload that the manifest vouches for; nullopt: there is no index that
// can be verified before the whole blob is read.
std::optional<hash::Digest> trusted_index_digest(const oci::DeviceBlob& device);

// Paths and digests as the manifest states them; sizes of files in the cache are left at 0.
// Throws kUnsupported when the bootstrap's uncompressed digest, its cookie, is not stated.
PreparedImage describe_image(const CacheRoot& root, const hash::Digest& manifest,
                             const oci::ErofsImage& image, std::string_view name);

}  // namespace ondemand::cache
