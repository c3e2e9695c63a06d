// SPDX-License-Identifier: Apache-2.0
//
// Names of extended attributes as EROFS stores them: a namespace index and the rest of the name;
// and the per-inode filter that lets the kernel skip absent ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "util/bytes.h"

namespace ondemand::erofs {

// Whole names; no call of the kernel takes a longer one.  Source: Linux XATTR_NAME_MAX.
inline constexpr std::size_t kXattrNameMax = 255;

struct XattrName {
  std::uint8_t index = 0;
  std::string_view suffix;  // borrows the name
};

// nullopt when EROFS has no index for the name's namespace or the rest of the name is empty where
// the kernel wants one.
std::optional<XattrName> split_xattr_name(std::string_view name);

// "user.", "system.posix_acl_access", ...; nullopt for an index that we do not know.
std::optional<std::string_view> xattr_prefix(std::uint8_t index);

// The bit of this name in h_name_filter (which is inverted: a clear bit says "may exist").
std::uint32_t xattr_filter_bit(const XattrName& name);

// xxHash32.  Source: the xxHash specification, doc/xxhash_spec.md, "XXH32 algorithm".
std::uint32_t xxh32(util::Bytes bytes, std::uint32_t seed);

// Bytes of one stored record: header, suffix and value, padded to 4.
constexpr std::size_t xattr_record_size(std::size_t suffix, std::size_t value) {
  return (4 + suffix + value + 3) & ~std::size_t{3};
}

}  // namespace ondemand::erofs
