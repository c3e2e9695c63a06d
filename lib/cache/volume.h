// SPDX-License-Identifier: Apache-2.0
//
// The volume directory of a cache and its 256 fan directories, as the kernel's cachefiles makes
// and checks them.  Source: Linux fs/cachefiles/volume.c, xattr.c; doc/KERNEL.md 3.1, 3.4.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace ondemand::cache {

// Value of the volume directory's attribute.
enum class VolumeXattr {
  kBe32Zero,  // four zero bytes: Linux 5.18 and later
  kEmpty,     // no bytes: the on-demand proposal's time (5.17-rc1)
};

// Makes what is missing of <cache_directory>/I<volume key> (0700), its attribute and
// @00 ... @ff; leaves what is right untouched.  Throws kUnsupported on a file system without user
// attributes, kCorrupt when the directory carries another attribute, kIo, kTooLarge.
void ensure_volume(const std::filesystem::path& cache_directory, std::string_view volume_key,
                   VolumeXattr xattr = VolumeXattr::kBe32Zero);

// The attribute is there and as the kernel wants it.  Throws kIo.
bool has_volume_xattr(const std::filesystem::path& cache_directory, std::string_view volume_key,
                      VolumeXattr xattr = VolumeXattr::kBe32Zero);

}  // namespace ondemand::cache
