// SPDX-License-Identifier: Apache-2.0
//
// Prepares the backing file of one cookie, whatever its keys: what prepare.h does for the files of
// an image, for those who name volume and cookie themselves (tests, other tools' images).
// Source: doc/KERNEL.md 3.6; the same routine serves every kernel, the parameters differ.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cache/backing_file.h"
#include "cache/volume.h"

namespace ondemand::cache {

struct CookieFile {
  std::string volume_key;  // "erofs,<domain or fsid>"; "erofs" at the proposal's time
  std::string cookie_key;  // fsid, or the name of a device; any bytes
  std::uint64_t size = 0;  // of the object; bytes, any but 0
  VolumeXattr volume_xattr = VolumeXattr::kBe32Zero;
};

// Where it is, below <root>/cache; pure.  Throws kTooLarge and kUsage for keys that the kernel
// cannot take.
std::filesystem::path cookie_path(const std::filesystem::path& root, const CookieFile& cookie);

// Makes <root>, its skeleton of cache/, graveyard/ and tmp/, the volume and the file, as far as
// they are missing; the mark (cache_mark.h) is the caller's.  Throws what ensure_volume() and
// ensure_backing_file() throw, kUsage for a size of 0 (the kernel refuses it), and kTooLarge for
// one that no file can have.
EnsureResult ensure_cookie_file(const std::filesystem::path& root, const CookieFile& cookie);

}  // namespace ondemand::cache
