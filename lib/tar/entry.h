// SPDX-License-Identifier: Apache-2.0
//
// One entry of a tar archive as plain data.  Nothing is interpreted yet: names are the archive's
// bytes, whiteout names are ordinary names here (tree/whiteout.h knows them).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "util/units.h"

namespace ondemand::tar {

enum class EntryType : std::uint8_t {
  kRegular,
  kDirectory,
  kSymlink,
  kHardlink,
  kCharDevice,
  kBlockDevice,
  kFifo,
  kSocket,
};

struct Xattr {
  std::string name;   // with its namespace: "security.capability"
  std::string value;  // any bytes
  auto operator<=>(const Xattr&) const = default;
};

struct Entry {
  std::string path;  // as in the archive, any bytes but NUL
  EntryType type = EntryType::kRegular;
  std::uint16_t permissions = 0;  // 07777 bits only
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  util::Timestamp mtime;
  std::uint64_t size = 0;   // Unit: bytes; holes included; 0 unless kRegular
  std::string link_target;  // symlink text, or path of the hard link's target as in the archive
  std::uint32_t rdev_major = 0;
  std::uint32_t rdev_minor = 0;
  std::vector<Xattr> xattrs;  // sorted by name, names unique
};

}  // namespace ondemand::tar
