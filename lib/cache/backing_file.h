// SPDX-License-Identifier: Apache-2.0
//
// One backing file: made sparse by truncation only (never by fallocate), with the extended
// attribute that the kernel's cachefiles demands of it.
// Source: Linux fs/cachefiles/xattr.c (6.1, 6.12); doc/KERNEL.md 3.4, 3.5.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

#include "util/fd.h"

namespace ondemand::cache {

inline constexpr const char* kCacheXattr = "user.CacheFiles.cache";
inline constexpr std::uint64_t kBackingAlignment = 4096;  // of every size; unit: bytes
inline constexpr mode_t kBackingMode = 0600;

// be64 object size, be64 zero point (0), type 1 (data), content 0.
using ObjectXattr = std::array<std::uint8_t, 18>;
ObjectXattr encode_object_xattr(std::uint64_t size);

// Sets the attribute.  kUnsupported when the file system has no user attributes.
void set_object_xattr(int fd, std::uint64_t size, const std::string& name);
bool has_object_xattr(int fd, std::uint64_t size, const std::string& name);

// Size of the file of an object: the object's, rounded up, as the kernel leaves it after a look-up.
std::uint64_t backing_size(std::uint64_t object_size);

// Makes an empty sparse file for an object of `object_size` bytes under a temporary name in
// `temporary_directory` and puts it at `path`, where it replaces what is there.
void create_backing_file(const std::filesystem::path& temporary_directory,
                         const std::filesystem::path& path, std::uint64_t object_size);

struct BackingState {
  bool exists = false;
  bool is_regular = false;
  std::uint64_t size = 0;       // bytes
  std::uint64_t present = 0;    // bytes with data, unwritten extents not counted
  std::uint64_t unwritten = 0;  // bytes allocated but never written
  bool has_xattr = false;       // the right one for an object of `size` bytes
  bool is_complete() const { return is_regular && unwritten == 0 && present == size; }
};

// What is there.  Never follows a symbolic link.  Throws kIo.
BackingState inspect_backing_file(const std::filesystem::path& path);

// True when somebody else (a mount, demandd) has the file open; also when that cannot be told.
bool is_open_elsewhere(int fd);

enum class EnsureResult { kKept, kCreated, kRepaired };

// Makes sure that a sound sparse file for an object of `object_size` bytes is at `path`.  A sound
// file is kept as it is, with what it holds.  A missing or wrong attribute and a wrong size of a
// file without data are mended in place.  If nobody has it open, unwritten extents become holes
// again, and a file of a wrong size with data is made anew: all that it holds can be fetched
// again.  Throws kCorrupt when somebody has, or when what is there is no regular file.
// Caller holds the cache lock.
EnsureResult ensure_backing_file(const std::filesystem::path& temporary_directory,
                                 const std::filesystem::path& path, std::uint64_t object_size);

}  // namespace ondemand::cache
