// SPDX-License-Identifier: Apache-2.0
//
// Directories of a cache.
#pragma once

#include <filesystem>

namespace ondemand::cache {

// Makes the directory with mode 0700 where it is not there; its parent must be.  Throws kIo, and
// kCorrupt when something else has the name: the kernel follows no symbolic link there either, and
// one wrong fan keeps it from the whole volume.
void ensure_directory(const std::filesystem::path& path);

}  // namespace ondemand::cache
