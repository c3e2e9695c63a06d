// SPDX-License-Identifier: Apache-2.0
//
// Reads a whole blob once and checks all that its manifest says of it: size and digest of the
// stored bytes, the chunk index, every frame, the digest of the uncompressed bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hash/digest.h"
#include "oci/erofs_image.h"
#include "source/source.h"

namespace ondemand::view {

struct BlobFacts {
  std::vector<std::string> defects;  // "object: action: reason", at most kMaxDefects and one more
  std::uint64_t frames = 0;
  std::uint64_t stored_size = 0;
  std::uint64_t view_size = 0;
  std::optional<hash::Digest> view_digest;  // of what the index leads to, when all was decoded
  std::optional<hash::Digest> uncompressed_digest;  // as a diff_id has it
};

inline constexpr std::size_t kMaxDefects = 100;

// Does not throw for what it finds.  Memory is one frame and the chunk index; a blob without a
// usable index is decompressed into a file in `temporary`, up to `limit` bytes (0: not at all).  An
// index in the blob is checked also where there is another beside it.  `name` is for messages.
BlobFacts check_blob(source::Source& source, const oci::DeviceBlob& device, std::uint64_t limit,
                     const std::filesystem::path& temporary, const std::string& name);

// Any other object: size and digest only.
BlobFacts check_object(source::Source& source, const oci::Descriptor& descriptor,
                       const std::string& name);

}  // namespace ondemand::view
