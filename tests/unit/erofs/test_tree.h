// SPDX-License-Identifier: Apache-2.0
//
// Trees in a few lines, and images of them in memory.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "erofs/bootstrap_reader.h"
#include "erofs/bootstrap_writer.h"
#include "tree/node.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::erofs {

class TestTree {
 public:
  TestTree() { add(new_inode(tree::FileType::kDirectory, 0755)); }

  // All take a path without leading slash whose parent exists.  References stay valid.
  tree::Inode& directory(std::string_view path) {
    return link(path, new_inode(tree::FileType::kDirectory, 0755));
  }
  tree::Inode& file(std::string_view path, std::uint64_t size = 0, chunk::Extents extents = {}) {
    tree::Inode inode = new_inode(tree::FileType::kRegular, 0644);
    inode.size = size;
    inode.extents = std::move(extents);
    return link(path, std::move(inode));
  }
  tree::Inode& inline_file(std::string_view path, std::string data) {
    tree::Inode inode = new_inode(tree::FileType::kRegular, 0644);
    inode.size = data.size();
    inode.inline_data = std::move(data);
    return link(path, std::move(inode));
  }
  tree::Inode& symlink(std::string_view path, std::string target) {
    tree::Inode inode = new_inode(tree::FileType::kSymlink, 0777);
    inode.size = target.size();
    inode.inline_data = std::move(target);
    return link(path, std::move(inode));
  }
  tree::Inode& special(std::string_view path, tree::FileType type, std::uint32_t major = 0,
                       std::uint32_t minor = 0) {
    tree::Inode inode = new_inode(type, 0600);
    inode.rdev_major = major;
    inode.rdev_minor = minor;
    return link(path, std::move(inode));
  }
  void hard_link(std::string_view path, std::string_view target) {
    const tree::InodeId id = find(target);
    children_of(path).emplace(leaf(path), id);
  }
  tree::Inode& at(std::string_view path) { return tree_.inodes[find(path)]; }

  static void set_xattrs(tree::Inode& inode, tree::XattrSet set) {
    std::sort(set.begin(), set.end());
    inode.xattrs = std::make_shared<const tree::XattrSet>(std::move(set));
  }

  tree::Tree& raw() { return tree_; }
  // With link counts set.
  tree::Tree& finish() {
    for (tree::Inode& inode : tree_.inodes)
      inode.nlink = inode.type == tree::FileType::kDirectory ? 2 : 0;
    for (tree::Inode& inode : tree_.inodes) {
      if (inode.children == nullptr) continue;
      for (const auto& child : *inode.children) {
        tree::Inode& target = tree_.inodes[child.second];
        ++(target.type == tree::FileType::kDirectory ? inode : target).nlink;
      }
    }
    return tree_;
  }

 private:
  static tree::Inode new_inode(tree::FileType type, std::uint16_t permissions) {
    tree::Inode inode;
    inode.type = type;
    inode.permissions = permissions;
    inode.mtime = {1700000000, 0};
    if (type == tree::FileType::kDirectory) inode.children = std::make_unique<tree::Children>();
    return inode;
  }
  tree::InodeId add(tree::Inode inode) {
    tree_.inodes.push_back(std::move(inode));
    return static_cast<tree::InodeId>(tree_.inodes.size() - 1);
  }
  static std::string leaf(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 == 0
  }
  tree::InodeId find(std::string_view path) const {
    tree::InodeId id = tree::kRootInode;
    while (!path.empty()) {
      const std::size_t slash = std::min(path.find('/'), path.size());
      id = tree_.inodes[id].children->at(std::string(path.substr(0, slash)));
      path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return id;
  }
  tree::Children& children_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return *tree_.inodes[find(slash == path.npos ? "" : path.substr(0, slash))].children;
  }
  tree::Inode& link(std::string_view path, tree::Inode inode) {
    const tree::InodeId id = add(std::move(inode));
    children_of(path).emplace(leaf(path), id);
    return tree_.inodes[id];
  }

  tree::Tree tree_;
};

inline chunk::Extent extent(std::uint64_t file_block, std::uint32_t nblocks, std::uint32_t start,
                            std::uint16_t device) {
  return {file_block, nblocks, {start}, {device}};
}

inline BlobDevice blob_device(std::uint32_t nblocks, char digit = 'a') {
  BlobDevice device;
  device.tag = std::string(64, digit);
  device.nblocks = nblocks;
  return device;
}

struct TestImage {
  BootstrapResult result;
  util::Buffer bytes;
  BootstrapReader reader() const { return BootstrapReader(bytes, "image"); }
};

inline TestImage make_image(const tree::Tree& tree, const BootstrapOptions& options = {}) {
  const util::Fd fd(::memfd_create("bootstrap", MFD_CLOEXEC));
  TestImage image;
  image.result = write_bootstrap(tree, options, fd.get(), "bootstrap");
  image.bytes.resize(util::file_size(fd.get(), "bootstrap"));
  util::pread_full(fd.get(), image.bytes, 0, "bootstrap");
  EXPECT_EQ(image.bytes.size(), image.result.size_bytes);
  return image;
}

// The error that `function` throws, as "code: message"; "" when it does not.
template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const util::Error& error) {
    return std::string(util::to_string(error.code())) + ": " + error.message();
  }
  return "";
}

}  // namespace ondemand::erofs
