// SPDX-License-Identifier: Apache-2.0
#include "erofs/tree_walk.h"

#include <algorithm>
#include <vector>

#include "format/erofs_ondisk.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using tree::FileType;
using tree::InodeId;
using util::Error;
using util::ErrorCode;

// Linux: PATH_MAX with its NUL; the kernel refuses longer targets.
constexpr std::size_t kSymlinkMax = 4095;
// Linux: MAX_LFS_FILESIZE.
constexpr std::uint64_t kFileSizeMax = 0x7FFFFFFFFFFFFFFF;
// Linux: MINORBITS and the 12 bits of a major number that new_encode_dev keeps.
constexpr std::uint32_t kMajorMax = 0xFFF;
constexpr std::uint32_t kMinorMax = 0xFFFFF;

[[noreturn]] void unsupported(std::string_view reason) {
  throw Error(ErrorCode::kUnsupported, util::concat("store in erofs: ", reason));
}
[[noreturn]] void too_large(std::string_view reason) {
  throw Error(ErrorCode::kTooLarge, util::concat("store in erofs: ", reason));
}
[[noreturn]] void inconsistent(std::string_view reason) {
  throw Error(ErrorCode::kInternal, util::concat("plan the bootstrap: ", reason));
}

void check_symlink(const tree::Inode& inode) {
  if (inode.inline_data.empty()) unsupported("symbolic link without target");
  if (inode.inline_data.size() > kSymlinkMax)
    too_large("target of the symbolic link is over 4095 bytes");
  if (inode.inline_data.find('\0') != std::string::npos)
    unsupported("target of the symbolic link has a NUL in it");
}

void check_regular(const tree::Inode& inode) {
  if (inode.size > kFileSizeMax) too_large("file is larger than 2^63 - 1 bytes");
  if (inode.inline_data.empty()) {
    if (inode.size == 0 && !inode.extents.empty()) inconsistent("empty file with extents");
  } else if (inode.size != inode.inline_data.size() || !inode.extents.empty()) {
    inconsistent("inline data and size or extents disagree");
  }
}

// Directories remembered with what leads to them, for depth-first order and for messages.
class Walker {
 public:
  Walker(const tree::Tree& tree, const std::function<void(const TreeVisit&)>& visit)
      : tree_(tree), visit_(visit), is_seen_(tree.inodes.size()), parents_(tree.inodes.size()) {}

  void run() {
    if (tree_.inodes.empty() || tree_.inodes[tree::kRootInode].type != FileType::kDirectory)
      inconsistent("root is not a directory");
    try {
      enter(tree::kRootInode, tree::kRootInode);
    } catch (const Error& error) {
      throw error.with_context("/");
    }
    while (!pending_.empty()) {
      const InodeId directory = pending_.back();
      pending_.pop_back();
      visit_children(directory);
    }
  }

 private:
  void enter(InodeId id, InodeId parent) {
    const tree::Inode& inode = tree_.inodes[id];
    check_inode(inode);
    is_seen_[id] = true;
    if (inode.type == FileType::kDirectory) {
      parents_[id] = parent;
      pending_.push_back(id);
    }
    visit_({id, parent});
  }

  void visit_children(InodeId directory) {
    const std::size_t first = pending_.size();
    for (const auto& child : *tree_.inodes[directory].children) {
      try {
        check_name(child.first);
        if (child.second >= tree_.inodes.size()) inconsistent("no such inode");
        if (!is_seen_[child.second]) {
          enter(child.second, directory);
        } else if (tree_.inodes[child.second].type == FileType::kDirectory) {
          inconsistent("directory with two names");
        }
      } catch (const Error& error) {
        throw error.with_context(util::printable(path_of(directory) + "/" + child.first));
      }
    }
    std::reverse(pending_.begin() + static_cast<std::ptrdiff_t>(first), pending_.end());
  }

  // Slow (looks for each name by its inode); for messages only.
  std::string path_of(InodeId directory) const {
    std::string path;
    while (directory != tree::kRootInode) {
      const InodeId parent = parents_[directory];
      for (const auto& child : *tree_.inodes[parent].children) {
        if (child.second != directory) continue;
        path.insert(0, "/" + child.first);
        break;
      }
      directory = parent;
    }
    return path;
  }

  const tree::Tree& tree_;
  const std::function<void(const TreeVisit&)>& visit_;
  std::vector<bool> is_seen_;
  std::vector<InodeId> parents_;  // of directories
  std::vector<InodeId> pending_;  // directories whose children come next, last one first
};

}  // namespace

void check_name(const std::string& name) {
  if (name.empty() || name == "." || name == "..") unsupported("not a name for a file");
  if (name.size() > ondisk::kErofsNameMax) too_large("name is over 255 bytes");
  if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
    unsupported("name has a slash or a NUL in it");
}

void check_inode(const tree::Inode& inode) {
  if ((inode.permissions & ~07777) != 0) inconsistent("permissions have more than 07777");
  if (inode.mtime.nsec > 999'999'999) inconsistent("nanoseconds have more than nine digits");
  if (inode.nlink == 0) inconsistent("inode in a directory has no links");
  if ((inode.type == FileType::kDirectory) != (inode.children != nullptr))
    inconsistent("children and type disagree");
  if (inode.type == FileType::kSymlink) check_symlink(inode);
  if (inode.type == FileType::kRegular) check_regular(inode);
  if (inode.type == FileType::kCharDevice || inode.type == FileType::kBlockDevice)
    if (inode.rdev_major > kMajorMax || inode.rdev_minor > kMinorMax)
      unsupported(util::concat("device number ", inode.rdev_major, ":", inode.rdev_minor,
                               ": Linux has no such numbers"));
}

void walk_tree(const tree::Tree& tree, const std::function<void(const TreeVisit&)>& visit) {
  Walker(tree, visit).run();
}

}  // namespace ondemand::erofs
