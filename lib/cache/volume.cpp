// SPDX-License-Identifier: Apache-2.0
#include "cache/volume.h"

#include <sys/xattr.h>

#include <array>
#include <cerrno>

#include "cache/backing_file.h"
#include "cache/backing_path.h"
#include "cache/directory.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

namespace {

std::size_t xattr_bytes(VolumeXattr xattr) {
  return xattr == VolumeXattr::kBe32Zero ? 4 : 0;
}

void ensure_volume_xattr(const std::filesystem::path& path, VolumeXattr xattr) {
  const std::string name = util::printable(path.native());
  constexpr std::array<char, 4> kZero{};
  std::array<char, 16> found{};
  const ssize_t len = ::getxattr(path.c_str(), kCacheXattr, found.data(), found.size());
  if (len >= 0) {
    if (static_cast<std::size_t>(len) == xattr_bytes(xattr) && found == std::array<char, 16>{})
      return;
    throw util::Error(util::ErrorCode::kCorrupt,
                      util::concat(name, ": check ", kCacheXattr, ": has an unexpected value of ",
                                   static_cast<std::int64_t>(len),
                                   " bytes: made by something else; remove the attribute"));
  }
  if (errno == ENODATA &&
      ::setxattr(path.c_str(), kCacheXattr, kZero.data(), xattr_bytes(xattr), 0) == 0)
    return;
  if (errno == EOPNOTSUPP)
    throw util::Error(util::ErrorCode::kUnsupported,
                      util::concat(name, ": set ", kCacheXattr,
                                   ": the file system has no user extended attributes; put the "
                                   "cache root on ext4, xfs or btrfs"));
  throw util::errno_error(name, util::concat("set ", kCacheXattr), errno);
}

}  // namespace

void ensure_volume(const std::filesystem::path& cache_directory, std::string_view volume_key,
                   VolumeXattr xattr) {
  const std::filesystem::path volume = cache_directory / volume_directory_name(volume_key);
  ensure_directory(volume);
  ensure_volume_xattr(volume, xattr);
  for (unsigned fan = 0; fan < 256; ++fan)
    ensure_directory(volume / fan_directory_name(static_cast<std::uint8_t>(fan)));
}

bool has_volume_xattr(const std::filesystem::path& cache_directory, std::string_view volume_key,
                      VolumeXattr xattr) {
  const std::filesystem::path volume = cache_directory / volume_directory_name(volume_key);
  std::array<char, 4> found{};
  const ssize_t len = ::getxattr(volume.c_str(), kCacheXattr, found.data(), found.size());
  if (len < 0 && errno != ENODATA && errno != ENOENT && errno != ERANGE && errno != EOPNOTSUPP)
    throw util::errno_error(util::printable(volume.native()), util::concat("read ", kCacheXattr),
                            errno);
  return len == static_cast<ssize_t>(xattr_bytes(xattr)) && found == std::array<char, 4>{};
}

}  // namespace ondemand::cache
