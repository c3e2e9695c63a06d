// SPDX-License-Identifier: Apache-2.0
//
// Mounting EROFS over fscache, and the smallest image worth mounting.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ondemand::vmtest {

inline constexpr std::size_t kTinyImageBytes = 3 * 4096;

// Root directory with one file "f", 4096 bytes of 'x'.  Source: fs/erofs/erofs_fs.h.
std::vector<std::uint8_t> tiny_image();

// Makes a file system context for `fsid` and, unless empty, `domain`; nothing stays mounted.  Keys
// may have any bytes but NUL.  0 or an errno.
int try_erofs(const std::string& fsid, const std::string& domain);

// mount -t erofs -o <options> <source> <point>.  0 or an errno.
int mount_erofs(const std::string& options, const std::filesystem::path& point,
                const std::string& source = "none");
void unmount(const std::filesystem::path& point);

// Name of an errno that mounts give; a number otherwise.
std::string errno_name(int error);

}  // namespace ondemand::vmtest
