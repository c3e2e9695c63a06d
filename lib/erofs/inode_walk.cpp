// SPDX-License-Identifier: Apache-2.0
#include "erofs/inode_walk.h"

#include <vector>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {

void for_each_inode(const BootstrapReader& reader,
                    const std::function<void(const InodeInfo&)>& visit) {
  std::vector<bool> is_seen(reader.image_size() / ondisk::kErofsSlotSize + 1);
  std::vector<util::Nid> directories;
  std::uint64_t dirents_left = reader.image_size() / sizeof(ondisk::ErofsDirent);
  const auto enter = [&](util::Nid nid) {
    const InodeInfo inode = reader.inode(nid);
    if (is_seen[nid.value]) return;
    is_seen[nid.value] = true;
    visit(inode);
    if (inode.type == tree::FileType::kDirectory) directories.push_back(nid);
  };
  enter(reader.root());
  while (!directories.empty()) {
    const InodeInfo directory = reader.inode(directories.back());
    directories.pop_back();
    reader.read_dir(directory, [&](const DirEntry& entry) {
      if (dirents_left-- == 0)
        throw util::Error(util::ErrorCode::kCorrupt,
                          util::concat(reader.name(), ": walk: directories overlap"));
      if (entry.name != "." && entry.name != "..") enter(entry.nid);
      return true;
    });
  }
}

}  // namespace ondemand::erofs
