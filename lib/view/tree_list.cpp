// SPDX-License-Identifier: Apache-2.0
#include "view/tree_list.h"

#include <algorithm>
#include <unordered_map>

#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::view {

namespace {

using erofs::BootstrapReader;
using erofs::DirEntry;

class Lister {
 public:
  explicit Lister(const BootstrapReader& reader)
      : reader_(reader),
        is_seen_(reader.image_size() / ondisk::kErofsSlotSize + 1),
        dirents_left_(reader.image_size() / sizeof(ondisk::ErofsDirent)) {}

  TreeList run() {
    // So that growing takes no second copy; no more than the image can hold.
    list_.files.reserve(static_cast<std::size_t>(
        std::min<std::uint64_t>(reader_.superblock().inos, is_seen_.size())));
    enter(reader_.root());
    list_.directories.push_back({reader_.root(), 0, {}});
    std::vector<std::uint32_t> pending{0};
    while (!pending.empty()) {
      const std::uint32_t directory = pending.back();
      pending.pop_back();
      const std::size_t first = pending.size();
      read_directory(directory, pending);
      std::reverse(pending.begin() + static_cast<std::ptrdiff_t>(first), pending.end());
    }
    return std::move(list_);
  }

 private:
  [[noreturn]] void corrupt(std::string_view reason) const {
    throw util::Error(util::ErrorCode::kCorrupt,
                      util::concat(reader_.name(), ": list its names: ", reason));
  }
  // True the first time.
  bool enter(util::Nid nid) {
    if (nid.value >= is_seen_.size()) corrupt("an inode lies outside of the image");
    if (is_seen_[nid.value]) return false;
    is_seen_[nid.value] = true;
    return true;
  }

  void read_directory(std::uint32_t index, std::vector<std::uint32_t>& pending) {
    const auto visit = [&](const DirEntry& entry) {
      if (dirents_left_-- == 0) corrupt("more entries than the image can hold");
      if (entry.name != "." && entry.name != "..") add({entry.nid, index, entry.name}, pending);
      return true;
    };
    reader_.read_dir(reader_.inode(list_.directories[index].nid), visit);
  }

  void add(const ListedName& name, std::vector<std::uint32_t>& pending) {
    const bool is_new = enter(name.nid);
    if (!is_new) {
      const auto target = file_of_.find(name.nid.value);
      if (target == file_of_.end()) corrupt("an inode has more names than links");
      list_.links.push_back({name, target->second});
      return;
    }
    const erofs::InodeInfo inode = reader_.inode(name.nid);
    if (inode.type == tree::FileType::kDirectory) {
      pending.push_back(util::narrow<std::uint32_t>(list_.directories.size()));
      list_.directories.push_back(name);
      return;
    }
    const auto index = util::narrow<std::uint32_t>(list_.files.size());
    if (inode.nlink != 1) file_of_.emplace(name.nid.value, index);
    list_.files.push_back(name);
  }

  const BootstrapReader& reader_;
  TreeList list_;
  std::vector<bool> is_seen_;                                 // by nid
  std::unordered_map<std::uint64_t, std::uint32_t> file_of_;  // of inodes with several names
  std::uint64_t dirents_left_;
};

}  // namespace

std::string TreeList::directory_path(std::uint32_t index) const {
  std::vector<std::string_view> names;
  for (; index != 0; index = directories[index].parent)
    names.push_back(directories[index].name);
  std::string path;
  for (auto name = names.rbegin(); name != names.rend(); ++name)
    path.append(path.empty() ? "" : "/").append(*name);
  return path;
}

std::string TreeList::path_of(const ListedName& name) const {
  std::string path = directory_path(name.parent);
  if (!path.empty()) path += '/';
  return path.append(name.name);
}

TreeList list_tree(const BootstrapReader& bootstrap) {
  return Lister(bootstrap).run();
}

}  // namespace ondemand::view
