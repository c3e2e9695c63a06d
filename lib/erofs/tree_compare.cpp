// SPDX-License-Identifier: Apache-2.0
#include "erofs/tree_compare.h"

#include <algorithm>
#include <unordered_map>

#include "erofs/dirent_codec.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using tree::FileType;
using tree::Inode;
using tree::InodeId;
using util::Error;
using util::ErrorCode;
using util::Nid;

[[noreturn]] void differs(std::string_view what) {
  throw Error(ErrorCode::kInternal,
              util::concat("compare the bootstrap with the tree: ", what, " differs"));
}

// Data of the tree's inode in the reader's terms, without holes.
std::vector<FileExtent> expected_extents(const Inode& inode) {
  std::vector<FileExtent> all;
  for (const chunk::Extent& extent : inode.extents) {
    FileExtent next;
    next.kind = ExtentKind::kBlocks;
    next.device = extent.device;
    next.address = std::uint64_t{extent.start.value} * chunk::kBlockSize;
    next.file.offset = extent.file_block * chunk::kBlockSize;
    next.file.len =
        std::min(std::uint64_t{extent.nblocks} * chunk::kBlockSize, inode.size - next.file.offset);
    const bool continues = !all.empty() && all.back().device == next.device &&
                           all.back().file.end() == next.file.offset &&
                           all.back().address + all.back().file.len == next.address;
    if (continues) {
      all.back().file.len += next.file.len;
    } else {
      all.push_back(next);
    }
  }
  return all;
}

class Comparer {
 public:
  Comparer(const BootstrapReader& reader, const tree::Tree& tree,
           const std::function<void()>& now_and_then)
      : reader_(reader),
        tree_(tree),
        nids_(tree.inodes.size(), util::Nid{kUnknown}),
        now_and_then_(now_and_then) {}

  std::vector<Nid> run() {
    if (!reader_.is_checksum_right()) differs("checksum of the superblock");
    directories_.push_back({tree::kRootInode, reader_.root(), 0, ""});
    compare_inode(tree::kRootInode, reader_.root());
    for (std::size_t i = 0; i < directories_.size(); ++i) {
      try {
        compare_directory(i);
      } catch (const Error& error) {
        throw error.with_context(util::printable(path_of(i)));
      }
    }
    if (reader_.superblock().inos != ninodes_) differs("number of inodes");
    return std::move(nids_);
  }

 private:
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  static constexpr std::uint64_t kInodesBetweenCalls = 4096;
  struct Directory {
    InodeId id;
    Nid nid;
    std::size_t parent;
    std::string name;
  };

  std::string path_of(std::size_t index) const {
    std::string path;
    for (; index != 0; index = directories_[index].parent)
      path.insert(0, "/" + directories_[index].name);
    return path + "/";
  }

  void compare_directory(std::size_t index);
  void compare_child(std::size_t index, const std::pair<const std::string, InodeId>& child,
                     Nid nid);
  void compare_inode(InodeId id, Nid nid);
  void compare_data(const Inode& expected, const InodeInfo& found);

  const BootstrapReader& reader_;
  const tree::Tree& tree_;
  std::vector<Nid> nids_;                                // by InodeId
  std::unordered_map<std::uint64_t, InodeId> inode_of_;  // by nid: no two inodes share one
  std::vector<Directory> directories_;
  std::uint64_t ninodes_ = 0;
  const std::function<void()>& now_and_then_;
};

void Comparer::compare_directory(std::size_t index) {
  const Directory directory = directories_[index];  // a copy: the vector grows below
  const tree::Children& children = *tree_.inodes[directory.id].children;
  auto next = children.begin();
  int dots = 0;
  reader_.read_dir(reader_.inode(directory.nid), [&](const DirEntry& entry) {
    if (entry.name == "." || entry.name == "..") {
      const Nid expected = entry.name == "." ? directory.nid : directories_[directory.parent].nid;
      if (entry.nid != expected) differs(entry.name);
      ++dots;
      return true;
    }
    if (next == children.end() || next->first != entry.name) differs("order or set of names");
    const auto type = static_cast<std::uint8_t>(to_dirent_type(tree_.inodes[next->second].type));
    if (entry.file_type != type) differs("type in the directory");
    try {
      compare_child(index, *next, entry.nid);
    } catch (const Error& error) {
      throw error.with_context(util::printable(entry.name));
    }
    ++next;
    return true;
  });
  if (dots != 2 || next != children.end()) differs("set of names");
}

void Comparer::compare_child(std::size_t index, const std::pair<const std::string, InodeId>& child,
                             Nid nid) {
  const InodeId id = child.second;
  if (nids_[id].value != kUnknown) {
    if (nids_[id] != nid) differs("inode of a hard link");
    return;
  }
  compare_inode(id, nid);
  if (tree_.inodes[id].type == FileType::kDirectory)
    directories_.push_back({id, nid, index, child.first});
}

void Comparer::compare_inode(InodeId id, Nid nid) {
  const Inode& expected = tree_.inodes[id];
  const InodeInfo found = reader_.inode(nid);
  if (!inode_of_.emplace(nid.value, id).second) differs("inode, which another file has too,");
  nids_[id] = nid;
  if (++ninodes_ % kInodesBetweenCalls == 0 && now_and_then_) now_and_then_();
  if (found.type != expected.type) differs("type");
  if (found.permissions != expected.permissions) differs("mode");
  if (found.uid != expected.uid) differs("uid");
  if (found.gid != expected.gid) differs("gid");
  if (found.nlink != expected.nlink) differs("link count");
  if (found.mtime != expected.mtime) differs("mtime");
  if (expected.type == FileType::kCharDevice || expected.type == FileType::kBlockDevice)
    if (found.rdev_major != expected.rdev_major || found.rdev_minor != expected.rdev_minor)
      differs("device number");
  const tree::XattrSet none;
  const tree::XattrSet& xattrs = expected.xattrs != nullptr ? *expected.xattrs : none;
  if (reader_.xattrs(found) != xattrs) differs("xattrs");
  compare_data(expected, found);
}

void Comparer::compare_data(const Inode& expected, const InodeInfo& found) {
  if (expected.type == FileType::kSymlink) {
    if (reader_.symlink_target(found) != expected.inline_data) differs("target");
    return;
  }
  if (expected.type != FileType::kRegular) return;
  if (found.size != expected.size) differs("size");
  if (!expected.inline_data.empty()) {
    std::string data;
    reader_.for_each_extent(
        found, [&](const FileExtent& extent) { data += util::as_text(reader_.bytes_of(extent)); });
    if (data != expected.inline_data) differs("data");
    return;
  }
  std::vector<FileExtent> extents = reader_.extents(found);
  std::erase_if(extents, [](const FileExtent& e) { return e.kind == ExtentKind::kHole; });
  if (extents != expected_extents(expected)) differs("place of the data");
}

}  // namespace

std::vector<Nid> compare_with_tree(const BootstrapReader& reader, const tree::Tree& tree,
                                   const std::function<void()>& now_and_then) {
  return Comparer(reader, tree, now_and_then).run();
}

}  // namespace ondemand::erofs
