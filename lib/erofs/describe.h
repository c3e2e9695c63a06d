// SPDX-License-Identifier: Apache-2.0
//
// A bootstrap as names and values for people and machines, under the kernel's field names.  The
// tool that prints them chooses text or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "erofs/bootstrap_reader.h"

namespace ondemand::erofs {

struct Field {
  std::string name;
  std::string value;       // any bytes; numbers are decimal
  bool is_number = false;  // print it without quotes
};
using Fields = std::vector<Field>;  // in the order of the format

// Every field of the superblock, and the names of the feature bits that are set.
Fields describe_superblock(const BootstrapReader& reader);
// Every field of one slot.  Range: index < reader.devices().size().
Fields describe_device(const BootstrapReader& reader, std::size_t index);
// Counts over all inodes: by type, by data layout, bytes of files and of holes.  Throws what the
// reader throws.
Fields describe_summary(const BootstrapReader& reader);
// Every field of one inode, with its xattrs' names and sizes.
Fields describe_inode(const BootstrapReader& reader, const InodeInfo& inode);
// One list for each extent of an inode: offset, len, kind, device, address.  Unit: bytes.
std::vector<Fields> describe_extents(const BootstrapReader& reader, const InodeInfo& inode);

std::string_view to_string(tree::FileType type);
std::string_view to_string(ondisk::ErofsLayout layout);
std::string_view to_string(ExtentKind kind);

}  // namespace ondemand::erofs
