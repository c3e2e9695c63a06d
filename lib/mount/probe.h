// SPDX-License-Identifier: Apache-2.0
//
// What this kernel can mount.
#pragma once

#include <string>

namespace ondemand::mount {

// EROFS is registered (/proc/filesystems).  A module that is not loaded yet is not seen.
bool has_erofs();

// "6.18.44-amd64".
std::string kernel_release();

// The kernel's version is at least that of the first with file-backed mounts (6.12).  Whether they
// are configured, and the file system of the bootstrap can carry them, the mount itself tells.
bool has_file_backed_version();

}  // namespace ondemand::mount
