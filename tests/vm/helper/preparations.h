// SPDX-License-Identifier: Apache-2.0
//
// Kinds of prepared caches, right and wrong ones, for an image of one cookie (tiny_image()); used
// in the guest and, on the simulated kernel, everywhere.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "cache_tree.h"

namespace ondemand::vmtest {

inline constexpr const char* kMatrixKey = "image";
inline constexpr const char* kMatrixVolume = "erofs,image";

struct Preparation {
  const char* name;
  void (*prepare)(const CacheTree& tree);
};

std::span<const Preparation> preparations();

std::optional<ino_t> inode_of(const std::filesystem::path& path);

// "file=<fate>,<size> graveyard=<entries>": what became of the file that had that inode.
std::string traces_of(const CacheTree& tree, std::optional<ino_t> before);

}  // namespace ondemand::vmtest
