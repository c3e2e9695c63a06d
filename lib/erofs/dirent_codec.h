// SPDX-License-Identifier: Apache-2.0
//
// Directories as EROFS stores them: blocks of 12-byte entries followed by the names, in byte
// order over the whole directory with "." and ".." in their sorted places.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "format/erofs_ondisk.h"
#include "tree/node.h"
#include "util/bytes.h"

namespace ondemand::erofs {

ondisk::ErofsFileType to_dirent_type(tree::FileType type);

// Size of the directory file: whole blocks and what the last one uses.  Unit: bytes.
std::uint64_t directory_size(const tree::Children& children);

// What an entry points to.
struct DirentTarget {
  std::uint64_t nid = 0;
  ondisk::ErofsFileType type = ondisk::ErofsFileType::kUnknown;
};

struct DirectoryContent {
  const tree::Children& children;
  tree::InodeId self;
  tree::InodeId parent;
  std::function<DirentTarget(tree::InodeId)> target;
};

// Gives the blocks from number `first` on, in order, each as its used bytes (only the last may be
// shorter than a block; the others are padded with zeros).
void encode_directory(const DirectoryContent& content, std::uint64_t first,
                      const std::function<void(util::Bytes)>& emit);

}  // namespace ondemand::erofs
