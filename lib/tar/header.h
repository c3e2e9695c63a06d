// SPDX-License-Identifier: Apache-2.0
//
// The 512-byte header block of every tar dialect.
//
// Source: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar 1.34 manual, "Basic Tar Format"
// (GNU magic, base-256 numbers, old sparse fields); star(5) for the xstar signature.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "util/bytes.h"

namespace ondemand::tar {

inline constexpr std::size_t kBlock = 512;  // Unit: bytes

enum class Dialect : std::uint8_t {
  kV7,     // no magic
  kUstar,  // POSIX, also what carries pax extensions
  kGnu,
  kStar,  // ustar with "tar" at the end of the block: the prefix is shorter
};

// Fields as found, in native integers.
struct Header {
  Dialect dialect = Dialect::kV7;
  char type = '0';
  std::string path;  // prefix applied
  std::string link_target;
  std::int64_t mode = 0;
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::int64_t size = 0;
  std::int64_t mtime = 0;  // Unit: seconds
  std::int64_t rdev_major = 0;
  std::int64_t rdev_minor = 0;
};

bool is_zero_block(util::Bytes block);
// Does the block's checksum, signed or unsigned, match?  Range: block.size() == kBlock.
bool has_header_checksum(util::Bytes block);
// Range: has_header_checksum(block).  Throws kCorrupt for a field that is no number.
Header parse_header(util::Bytes block);

// Octal text, or base-256 (first bit set).  Throws kCorrupt; `field` for the message.
std::int64_t parse_number(util::Bytes bytes, std::string_view field);

}  // namespace ondemand::tar
