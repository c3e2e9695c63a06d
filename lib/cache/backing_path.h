// SPDX-License-Identifier: Apache-2.0
//
// Where the kernel's cachefiles looks for the backing file of a cookie:
//
//   <root>/cache/I<volume key>/@<fan>/<cooked cookie key>
//
// Pure.  Source: Linux fs/fscache/main.c (hash) and fs/cachefiles/key.c (cooking), the same from
// 5.17 to 6.12; checked against paths that kernels made (doc/KERNEL.md 3.2, 3.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ondemand::cache {

// Unit: bytes.  A longer cookie key is a BUG() in the kernel; a longer name or volume directory
// does not fit a directory entry.
inline constexpr std::size_t kMaxCookieKeyBytes = 252;
inline constexpr std::size_t kMaxVolumeKeyBytes = 254;
inline constexpr std::size_t kMaxNameBytes = 255;

// Range of both keys: 1 byte to the limits above; else kTooLarge (kUsage when empty).
std::uint32_t hash_volume(std::string_view volume_key);
std::uint32_t hash_cookie(std::uint32_t volume_hash, std::string_view cookie_key);

// File name of a cookie: 'D' and the key itself where it is printable, else 'S', 'T' or 'E' and a
// text form of its bytes.  Any bytes are allowed.  Throws kTooLarge, kUsage.
std::string cook_key(std::string_view cookie_key);

// "I<volume key>".  Throws kTooLarge, and kUsage for a key that is no file name ('/', NUL).
std::string volume_directory_name(std::string_view volume_key);

// "@00" ... "@ff".
std::string fan_directory_name(std::uint8_t fan);

// "I<volume key>/@hh/<cooked key>", below <root>/cache.
std::string backing_path(std::string_view volume_key, std::string_view cookie_key);

}  // namespace ondemand::cache
