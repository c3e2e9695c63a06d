// SPDX-License-Identifier: Apache-2.0
#include "erofs/hole_search.h"

#include <string_view>
#include <vector>

#include "erofs/inode_walk.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using ondisk::ErofsLayout;
using tree::FileType;
using util::Nid;

// Linux: PATH_MAX.
constexpr std::size_t kMaxPath = 4096;

struct Directory {
  Nid nid;
  std::size_t parent;  // position in the list
  std::string name;
};

std::string path_of(const std::vector<Directory>& directories, std::size_t directory,
                    std::string_view name) {
  std::string path = util::concat("/", name);
  for (; directory != 0 && path.size() < kMaxPath; directory = directories[directory].parent)
    path.insert(0, "/" + directories[directory].name);
  return path;
}

// For messages only.  for_each_inode() has been through the image: its directories can be read.
std::string find_path(const BootstrapReader& reader, Nid wanted) {
  std::vector<bool> is_seen(reader.image_size() / ondisk::kErofsSlotSize + 1);
  std::vector<Directory> directories{{reader.root(), 0, ""}};
  std::optional<std::string> found;
  for (std::size_t i = 0; i < directories.size() && !found; ++i) {
    reader.read_dir(reader.inode(directories[i].nid), [&](const DirEntry& entry) {
      if (entry.nid == wanted) found = path_of(directories, i, entry.name);
      if (found || entry.name == "." || entry.name == ".." || is_seen[entry.nid.value])
        return !found;
      is_seen[entry.nid.value] = true;
      if (reader.inode(entry.nid).type == FileType::kDirectory)
        directories.push_back({entry.nid, i, std::string(entry.name)});
      return true;
    });
  }
  return found ? *found : util::concat("inode ", wanted.value);
}

}  // namespace

bool has_hole_before_data(const BootstrapReader& reader, const InodeInfo& inode) {
  if (inode.type != FileType::kRegular || inode.layout == ErofsLayout::kCompressedFull ||
      inode.layout == ErofsLayout::kCompressedCompact)
    return false;
  bool has_hole = false;
  for (std::uint64_t offset = 0; offset < inode.size;) {
    const FileExtent extent = reader.map(inode, offset);
    if (extent.kind == ExtentKind::kHole)
      has_hole = true;
    else if (has_hole)
      return true;
    offset = extent.file.end();
  }
  return false;
}

std::optional<std::string> find_hole_before_data(const BootstrapReader& reader) {
  std::optional<Nid> found;
  // In a right image no two inodes share chunk entries, so that all of them fit into it.
  std::uint64_t chunk_bytes_left = reader.image_size();
  for_each_inode(reader, [&](const InodeInfo& inode) {
    if (found || inode.type != FileType::kRegular) return;
    const std::uint64_t array = reader.chunk_array_size(inode);
    if (array > chunk_bytes_left)
      throw util::Error(util::ErrorCode::kCorrupt,
                        util::concat(reader.name(),
                                     ": look for holes: more chunk entries than "
                                     "the image can hold"));
    chunk_bytes_left -= array;
    if (has_hole_before_data(reader, inode)) found = inode.nid;
  });
  if (!found) return std::nullopt;
  return find_path(reader, *found);
}

}  // namespace ondemand::erofs
