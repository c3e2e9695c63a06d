// SPDX-License-Identifier: Apache-2.0
#include "tree/layer_tree.h"

#include <utility>

#include "tree/path.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

namespace {

constexpr InodeId kLinkBit = 0x8000'0000;

bool is_open_link(InodeId slot) {
  return (slot & kLinkBit) != 0;
}

[[noreturn]] void refuse_link(std::string_view path, std::string_view target,
                              std::string_view reason) {
  throw util::Error(util::ErrorCode::kCorrupt,
                    util::concat(util::printable(path), ": hard link to ",
                                 target.empty() ? "/" : util::printable(target), ": ", reason));
}

// Parent path and last name of a normalised, not empty path.
std::pair<std::string_view, std::string_view> split_last(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {{}, path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

InodeId add_inode(Tree& tree, Inode inode) {
  if (tree.inodes.size() >= kLinkBit)
    throw util::Error(util::ErrorCode::kTooLarge, "image: add inode: more than 2147483648");
  tree.inodes.push_back(std::move(inode));
  return static_cast<InodeId>(tree.inodes.size() - 1);
}

Inode implicit_directory() {
  Inode inode;
  inode.type = FileType::kDirectory;
  inode.permissions = 0755;
  inode.children = std::make_unique<Children>();
  return inode;
}

LayerTree::LayerTree(Tree& tree) : tree_(tree), root_(add_inode(tree, implicit_directory())) {
  directories_.try_emplace(root_);
}

InodeId LayerTree::new_directory(InodeId parent, std::string_view name) {
  const InodeId id = add_inode(tree_, implicit_directory());
  directories_.try_emplace(id);
  put(parent, name, id);
  return id;
}

void LayerTree::put(InodeId parent, std::string_view name, InodeId inode) {
  const auto [slot, added] = children(parent).try_emplace(std::string(name), inode);
  if (added) return;
  const InodeId old = std::exchange(slot->second, inode);
  // A directory that goes takes the directories below with it, so no cached one may stay.
  if (!is_open_link(old) && tree_.inodes[old].type == FileType::kDirectory) {
    last_directory_ = kNoInode;
    directories_.erase(old);
    tree_.inodes[old].children->clear();
  }
}

InodeId LayerTree::make_directory(std::string_view path) {
  if (last_directory_ != kNoInode && path == last_path_) return last_directory_;
  InodeId directory = root_;
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view name = take_component(rest);
    const auto child = children(directory).find(std::string(name));
    const bool exists = child != children(directory).end() && !is_open_link(child->second) &&
                        tree_.inodes[child->second].type == FileType::kDirectory;
    directory = exists ? child->second : new_directory(directory, name);
  }
  last_path_ = path;
  last_directory_ = directory;
  return directory;
}

void LayerTree::put_directory(std::string_view path, Inode metadata) {
  const InodeId id = make_directory(path);
  metadata.children = std::move(tree_.inodes[id].children);
  tree_.inodes[id] = std::move(metadata);
  directories_[id].is_explicit = true;
}

void LayerTree::add_whiteout(InodeId directory, std::string_view name) {
  directories_[directory].whiteouts.emplace(name);
}

InodeId LayerTree::find(InodeId root, std::string_view path) const {
  InodeId id = root;
  while (!path.empty()) {
    if (is_open_link(id) || tree_.inodes[id].type != FileType::kDirectory) return kNoInode;
    const Children& names = children(id);
    const auto child = names.find(std::string(take_component(path)));
    if (child == names.end()) return kNoInode;
    id = child->second;
  }
  return id;
}

void LayerTree::put_link(std::string_view path, std::string_view target) {
  const auto [parent_path, name] = split_last(path);
  const InodeId parent = make_directory(parent_path);
  const InodeId found = find(root_, target);
  const bool is_bound = found != kNoInode && !is_open_link(found);
  if (is_bound && tree_.inodes[found].type != FileType::kDirectory) {
    put(parent, name, found);
    return;
  }
  // A directory may still be replaced by a file: the end of the layer decides.
  if (links_.size() >= kLinkBit - 1)
    throw util::Error(util::ErrorCode::kTooLarge, "layer: add hard link: too many");
  links_.push_back({std::string(path), std::string(target), false, kNoInode});
  put(parent, name, kLinkBit | static_cast<InodeId>(links_.size() - 1));
}

InodeId LayerTree::resolve(InodeId slot, InodeId lower_root) {
  // A chain of links is followed without recursion, so that its length does not matter.
  std::vector<InodeId> chain;
  InodeId found = slot;
  while (is_open_link(found)) {
    PendingLink& link = links_[found & ~kLinkBit];
    if (link.resolved != kNoInode) {
      found = link.resolved;
      break;
    }
    link.in_progress = true;
    chain.push_back(found);
    InodeId next = find(root_, link.target);
    // A name that this layer only links to itself means the file of the layer below.
    const bool cycle =
        next != kNoInode && is_open_link(next) && links_[next & ~kLinkBit].in_progress;
    if (next == kNoInode || cycle) next = find(lower_root, link.target);
    if (next == kNoInode) refuse_link(link.path, link.target, "no such file");
    if (!is_open_link(next) && tree_.inodes[next].type == FileType::kDirectory)
      refuse_link(link.path, link.target, "target is a directory");
    found = next;
  }
  for (const InodeId open : chain) {
    links_[open & ~kLinkBit].in_progress = false;
    links_[open & ~kLinkBit].resolved = found;
  }
  return found;
}

void LayerTree::resolve_in(InodeId directory, InodeId lower_root) {
  for (auto& [name, slot] : children(directory)) {
    if (is_open_link(slot)) {
      slot = resolve(slot, lower_root);
    } else if (tree_.inodes[slot].type == FileType::kDirectory) {
      resolve_in(slot, lower_root);
    }
  }
}

void LayerTree::resolve_links(InodeId lower_root) {
  if (!links_.empty()) resolve_in(root_, lower_root);
}

}  // namespace ondemand::tree
