// SPDX-License-Identifier: Apache-2.0
//
// What differs between two images: by path, and by the chunks that their files are made of.
//
// A chunk of a file is what lies in one aligned piece of it.  One that both images have in the same
// place of the same blob is the same without a look at it; the others are read once, verified, and
// told apart by their SHA-256.  Files are compared by their chunks; where those of one path differ,
// the ones that were not read are read after all, since equal bytes may lie in two places.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "util/units.h"
#include "view/image_view.h"

namespace ondemand::view {

inline constexpr std::uint32_t kDefaultDiffChunk = 64 * util::kKiB;

enum class PathChange : std::uint8_t { kAdded, kRemoved, kChanged };

struct PathDiff {
  PathChange change = PathChange::kChanged;
  std::string path;                                // with a leading slash
  tree::FileType type = tree::FileType::kRegular;  // in the second image, of kRemoved in the first
  // kChanged: of "type", "mode", "uid", "gid", "mtime", "size", "content", "target", "device",
  // "xattrs", "links" (other names are of the same inode) those that differ.
  std::vector<std::string> attributes;
};

struct ChunkCount {
  std::uint64_t chunks = 0;  // distinct ones
  std::uint64_t bytes = 0;
};

struct ImageDiff {
  std::vector<PathDiff> paths;  // by path; a directory's entries follow it
  std::uint64_t same_paths = 0;
  ChunkCount shared;  // in both
  ChunkCount only_first;
  ChunkCount only_second;
  std::uint64_t bytes_read = 0;  // of both, uncompressed
};

// Range: chunk_size is a power of two >= 4096.  Checks the structure of both bootstraps first.
// Memory is some 100 bytes for each file and each chunk.  Throws what ImageView throws.
ImageDiff diff_images(ImageView& first, ImageView& second,
                      std::uint32_t chunk_size = kDefaultDiffChunk);

}  // namespace ondemand::view
