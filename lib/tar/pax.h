// SPDX-License-Identifier: Apache-2.0
//
// Records of pax extended headers ("<length> <key>=<value>\n"), the POSIX ones and those of star,
// GNU tar and libarchive.
//
// Source: POSIX.1-2017 pax, "pax Extended Header"; star(5); GNU tar manual, "Sparse Formats";
// libarchive tar(5).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::tar {

// What the records say; absent = the header block decides.  Names are bytes, never converted.
struct PaxValues {
  std::optional<std::string> path;
  std::optional<std::string> link_target;
  std::optional<std::int64_t> size;
  std::optional<std::int64_t> uid;
  std::optional<std::int64_t> gid;
  std::optional<std::int64_t> rdev_major;
  std::optional<std::int64_t> rdev_minor;
  std::optional<util::Timestamp> mtime;
  std::map<std::string, std::string> xattrs;
  std::string acl_access;   // text form; empty = none
  std::string acl_default;  // text form; empty = none
  std::string acl_nfs4;     // text form of an NFSv4 ACL; empty = none
  std::string file_flags;   // "nodump,schg": BSD's and chattr's; empty = none

  // GNU sparse formats 0.0, 0.1 and 1.0.
  std::optional<std::string> sparse_name;
  std::optional<std::int64_t> sparse_major;
  std::optional<std::int64_t> sparse_minor;
  std::optional<std::int64_t> sparse_size;  // logical size of the file
  std::vector<std::uint64_t> sparse_map;    // offset, length, offset, length, ...
  bool has_sparse_map = false;
  bool has_too_many_pieces = false;  // the map is cut at kMaxSparsePieces
};

// Applies the records of one header body to `values`; an empty value takes the record back.
// Throws kCorrupt for anything that is not a list of records.
void parse_pax_records(util::Bytes body, PaxValues& values);

// Names and values.  Unit: bytes.
std::size_t xattr_bytes(const PaxValues& values);

// What the values take in memory, about.  Unit: bytes.
std::size_t stored_bytes(const PaxValues& values);

// Decimal seconds with a sign, a fraction and an exponent, rounded down to nanoseconds.
// Throws kCorrupt.
util::Timestamp parse_pax_time(std::string_view text);

// Limits for one entry.  Linux allows 64 KiB for one value and for all names together.
inline constexpr std::size_t kMaxXattrBytes = 1024 * 1024;
inline constexpr std::size_t kMaxSparsePieces = 1'000'000;

}  // namespace ondemand::tar
