// SPDX-License-Identifier: Apache-2.0
#include "image/drop_sparse.h"

#include "erofs/chunk_layout.h"
#include "util/text.h"

namespace ondemand::image {

namespace {

using tree::FileType;
using tree::InodeId;

using Reasons = std::map<InodeId, std::uint64_t>;  // how many entries each needs

Reasons find_files(const tree::Tree& tree, const Reasons& known) {
  Reasons found;
  std::uint64_t total = 0;
  for (InodeId id = 0; id < tree.inodes.size(); ++id) {
    const tree::Inode& inode = tree.inodes[id];
    if (inode.nlink == 0 || inode.type != FileType::kRegular || inode.size == 0 ||
        !inode.inline_data.empty())
      continue;
    if (const auto file = known.find(id); file != known.end()) {
      found.insert(*file);
      continue;
    }
    const std::uint64_t needed = erofs::plan_chunk_layout(inode.extents, inode.size).nentries;
    if (needed > erofs::kMaxChunkEntries || needed > erofs::kMaxChunkEntriesOfImage - total)
      found[id] = needed;
    else
      total += needed;
  }
  return found;
}

class Dropper {
 public:
  Dropper(tree::Tree& tree, const Reasons& files, const std::string& image, DropList& dropped)
      : tree_(tree), files_(files), image_(image), dropped_(dropped) {}

  // Recursion is as deep as a path has names: 2,048 at most.
  void drop_in(InodeId directory, const std::string& path) {
    tree::Children& children = *tree_.inodes[directory].children;
    for (auto child = children.begin(); child != children.end();) {
      const std::string name = path + child->first;
      if (const auto file = files_.find(child->second); file != files_.end()) {
        dropped_.add(util::concat(image_, ": ", util::printable(name), ": sparse file that needs ",
                                  file->second,
                                  " chunk entries: dropped: a larger --chunk-size needs fewer"));
        child = children.erase(child);
        continue;
      }
      if (tree_.inodes[child->second].type == FileType::kDirectory)
        drop_in(child->second, name + "/");
      ++child;
    }
  }

 private:
  tree::Tree& tree_;
  const Reasons& files_;
  const std::string& image_;
  DropList& dropped_;
};

}  // namespace

void drop_sparse_files(tree::Tree& tree, const std::string& image, DropList& dropped,
                       const Reasons& known) {
  const Reasons files = find_files(tree, known);
  if (files.empty()) return;
  Dropper(tree, files, image, dropped).drop_in(tree::kRootInode, {});
  for (const auto& file : files) {
    tree::Inode& inode = tree.inodes[file.first];
    inode.nlink = 0;
    inode.extents = {};
    inode.xattrs.reset();
  }
}

}  // namespace ondemand::image
