// SPDX-License-Identifier: Apache-2.0
//
// The merged file tree of an image: what the bootstrap will say.  Inodes live in one table and are
// named by index; directories map names to indexes.  Plain data; tree_builder.h makes it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chunk/extent.h"
#include "tar/entry.h"
#include "util/units.h"

namespace ondemand::tree {

using InodeId = std::uint32_t;
inline constexpr InodeId kRootInode = 0;

enum class FileType : std::uint8_t {
  kRegular,
  kDirectory,
  kSymlink,
  kCharDevice,
  kBlockDevice,
  kFifo,
  kSocket,
};

// Sorted by name, names unique; shared between inodes that have the same ones.
using XattrSet = std::vector<tar::Xattr>;

// Children in byte order of their names ("." and ".." are not in it).  std::string compares as
// unsigned bytes, which is the order that EROFS directories need.
using Children = std::map<std::string, InodeId>;

struct Inode {
  FileType type = FileType::kRegular;
  std::uint16_t permissions = 0;  // 07777 bits only
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t nlink =
      0;  // set by Tree::finish(): names of a file; 2 + subdirectories of a directory
  util::Timestamp mtime;
  std::uint64_t size = 0;  // regular: bytes; symlink: length of the target; else 0
  std::uint32_t rdev_major = 0;
  std::uint32_t rdev_minor = 0;
  std::shared_ptr<const XattrSet> xattrs;  // null when there are none
  chunk::Extents extents;                  // regular files only
  std::string inline_data;                 // symlink target; or a regular file's whole data when it
                                           // is kept in the bootstrap (then extents are empty)
  std::unique_ptr<Children> children;      // directories only, never null there
};

// Inodes that lost their last name stay in the table with nlink 0 and are not part of the image.
struct Tree {
  std::deque<Inode> inodes;  // [kRootInode] is the root directory, always there
};

}  // namespace ondemand::tree
