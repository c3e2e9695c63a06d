// SPDX-License-Identifier: Apache-2.0
#include "tree/layer_tree.h"

#include <utility>

#include "tree/path.h"
#include "tree/path_walk.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

namespace {

constexpr InodeId kLinkBit = 0x8000'0000;
constexpr InodeId kWhiteoutSlot = 0xFFFF'FFF0;
constexpr std::size_t kMaxOpenLinks = kWhiteoutSlot - kLinkBit;

bool is_inode(InodeId slot) {
  return slot < kLinkBit;
}
bool is_open_link(InodeId slot) {
  return !is_inode(slot) && slot < kWhiteoutSlot;
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

// As deep as a path has names; with symbolic links on the way it could be any depth.
constexpr std::size_t kMaxDepth = 2048;

[[noreturn]] void drop_child(std::string_view path, std::string_view name,
                             std::string_view reason) {
  throw UnfitPath(util::ErrorCode::kUnsupported,
                  util::concat(util::printable(path.substr(0, 256)), ": add entry in it: parent ",
                               util::printable(name.substr(0, 256)), " ", reason));
}

[[noreturn]] void refuse_parent(std::string_view name, std::string_view reason) {
  throw BadParent(
      util::ErrorCode::kCorrupt,
      util::concat("add entry: parent ", util::printable(name.substr(0, 256)), " ", reason));
}

void check_length(std::string_view path, std::size_t bytes, std::string_view name) {
  if (bytes + (bytes > 0 ? 1 : 0) + name.size() <= kMaxPathBytes) return;
  throw UnfitPath(util::ErrorCode::kUnsupported,
                  util::concat(util::printable(path.substr(0, 256)), ": add ",
                               util::printable(name.substr(0, 256)),
                               ": its path would be longer than 4095 bytes"));
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

LayerTree::LayerTree(Tree& tree, InodeId lower_root, bool has_dropped_below, WalkBudget& budget)
    : tree_(tree),
      lower_root_(lower_root),
      root_(add_inode(tree, implicit_directory())),
      has_dropped_(has_dropped_below),
      budget_(budget) {
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
  // A directory that goes takes the directories below with it and a symbolic link may have led to
  // one, so no cached one may stay.
  last_directory_ = kNoInode;
  if (is_inode(old) && tree_.inodes[old].type == FileType::kDirectory) {
    directories_.erase(old);
    tree_.inodes[old].children->clear();
  }
}

bool LayerTree::is_directory(InodeId slot) const {
  return is_inode(slot) && tree_.inodes[slot].type == FileType::kDirectory;
}

// What the layers below show at a name, as far as this layer's marks leave it.
InodeId LayerTree::below_of(Found directory, const std::string& name) const {
  if (directory.below == kNoInode) return kNoInode;
  const LayerDirectory& marks = directories_.at(directory.here);
  if (marks.is_opaque || marks.whiteouts.contains(name)) return kNoInode;
  const Children& names = children(directory.below);
  const auto child = names.find(name);
  return child == names.end() ? kNoInode : child->second;
}

InodeId LayerTree::make_directory(std::string_view path) {
  if (last_directory_ != kNoInode && path == last_path_) return last_directory_;
  last_directory_ = make_place(path, has_dropped_ ? lower_root_ : kNoInode).here;
  last_path_ = path;
  return last_directory_;
}

InodeId LayerTree::make_parent(std::string_view path, std::string_view name) {
  const InodeId parent = make_directory(path);
  check_length(path, last_bytes_, name);
  return parent;
}

// With the directory below, seen from `lower_root`.
LayerTree::Found LayerTree::make_place(std::string_view path, InodeId lower_root) {
  PathWalk<Found> walk({root_, lower_root}, path, budget_);
  while (!walk.at_end()) {
    const std::string name(walk.next_name());
    if (name.empty()) continue;
    if (walk.depth() > kMaxDepth) drop_child(path, name, "lies too deep");
    if (name.size() > kMaxNameBytes) drop_child(path, name, "has a name of over 255 bytes");
    const Found parent = walk.here();
    const auto child = children(parent.here).find(name);
    const InodeId found = child == children(parent.here).end() ? kNoInode : child->second;
    if (found == kWhiteoutSlot) add_whiteout(parent.here, name);
    const InodeId below = below_of(parent, name);
    const bool is_missing = found == kNoInode || found == kWhiteoutSlot;
    if (found == kDroppedSlot || (is_missing && below == kDroppedSlot))
      drop_child(path, name, "has been dropped");
    const InodeId lower = is_directory(below) ? below : kNoInode;
    if (is_missing) {
      check_length(path, walk.path_bytes(), name);
      walk.enter({new_directory(parent.here, name), lower}, name.size());
    } else if (is_open_link(found)) {
      refuse_parent(name, "is not a directory");
    } else if (is_directory(found)) {
      walk.enter({found, lower}, name.size());
    } else if (tree_.inodes[found].type != FileType::kSymlink) {
      refuse_parent(name, "is not a directory");
    } else if (!walk.follow(tree_.inodes[found].inline_data)) {
      refuse_parent(name, "is a loop of symbolic links");
    }
  }
  last_bytes_ = walk.path_bytes();
  return walk.here();
}

void LayerTree::put_directory(std::string_view path, Inode metadata) {
  InodeId id = root_;
  if (path.empty()) {
    last_bytes_ = 0;
  } else {
    const auto [parent_path, name] = split_last(path);
    const InodeId parent = make_parent(parent_path, name);
    last_bytes_ += (last_bytes_ > 0 ? 1 : 0) + name.size();
    const auto child = children(parent).find(std::string(name));
    const bool exists = child != children(parent).end() && is_inode(child->second) &&
                        tree_.inodes[child->second].type == FileType::kDirectory;
    id = exists ? child->second : new_directory(parent, name);
  }
  metadata.children = std::move(tree_.inodes[id].children);
  tree_.inodes[id] = std::move(metadata);
  directories_[id].is_explicit = true;
  last_path_ = path;
  last_directory_ = id;
}

void LayerTree::add_whiteout(InodeId directory, std::string_view name) {
  directories_[directory].whiteouts.emplace(name);
}

void LayerTree::put_whiteout(InodeId parent, std::string_view name) {
  has_whiteouts_ = true;
  put(parent, name, kWhiteoutSlot);
}

void LayerTree::put_dropped(InodeId parent, std::string_view name) {
  has_dropped_ = true;
  put(parent, name, kDroppedSlot);
}

bool LayerTree::put_dropped_directory(std::string_view path, const OnGone& on_gone) {
  const auto [parent_path, name_view] = split_last(path);
  const std::string name(name_view);
  const Found parent = make_place(parent_path, lower_root_);
  last_directory_ = kNoInode;  // make_place() is not cached
  const auto child = children(parent.here).find(name);
  const InodeId found = child == children(parent.here).end() ? kNoInode : child->second;
  const bool is_here = is_directory(found);
  if (is_here && directories_.at(found).is_explicit) return true;
  if ((is_here || found == kNoInode) && is_directory(below_of(parent, name))) {
    const InodeId id = is_here ? found : new_directory(parent.here, name);
    directories_[id].needs_lower = has_needy_ = true;
    return true;
  }
  if (is_here) tell_gone(found, std::string(path), std::string(path), on_gone);
  put_dropped(parent.here, name);
  return false;
}

// All that is in a directory that is dropped after them.
void LayerTree::tell_gone(InodeId directory, const std::string& path, const std::string& dropped,
                          const OnGone& on_gone) const {
  for (const auto& [name, slot] : children(directory)) {
    if (slot == kDroppedSlot || slot == kWhiteoutSlot) continue;
    const std::string child = util::concat(path, "/", name);
    on_gone(child, dropped);
    if (is_directory(slot)) tell_gone(slot, child, dropped, on_gone);
  }
}

// A marker behind the entry of a dropped directory may have hidden the one whose metadata it was to
// keep.
void LayerTree::drop_needy(Found directory, const std::string& path, const OnGone& on_gone) {
  std::vector<std::string> dropped;
  for (const auto& [name, slot] : children(directory.here)) {
    if (!is_directory(slot)) continue;
    const std::string child = path.empty() ? name : util::concat(path, "/", name);
    const InodeId lower = below_of(directory, name);
    const InodeId below = is_directory(lower) ? lower : kNoInode;
    const LayerDirectory& marks = directories_.at(slot);
    if (marks.needs_lower && !marks.is_explicit && below == kNoInode) {
      on_gone(child, child);
      tell_gone(slot, child, child, on_gone);
      dropped.push_back(name);
    } else {
      drop_needy({slot, below}, child, on_gone);
    }
  }
  for (const std::string& name : dropped)
    put_dropped(directory.here, name);
}

LayerTree::Found LayerTree::look_up(Found directories, const std::string& name, Marks marks) const {
  const auto in = [&](InodeId directory) {
    if (directory == kNoInode) return kNoInode;
    const Children& names = children(directory);
    const auto child = names.find(name);
    return child == names.end() ? kNoInode : child->second;
  };
  const bool has_marks = marks == Marks::kHide && directories.here != kNoInode;
  return {in(directories.here), has_marks ? below_of(directories, name) : in(directories.below)};
}

LayerTree::Found LayerTree::find(Found roots, std::string_view path, Marks marks) const {
  PathWalk<Found> walk(roots, path, budget_);
  while (!walk.at_end()) {
    const std::string name(walk.next_name());
    if (name.empty()) break;
    Found found = look_up(walk.here(), name, marks);
    // The last name means what it is, also when that is a symbolic link.
    if (walk.at_end()) return found;
    const InodeId slot = found.here != kNoInode ? found.here : found.below;
    // What lies in it has been dropped, too.
    if (slot == kDroppedSlot) return found;
    if (!is_inode(slot)) return {};
    const Inode& inode = tree_.inodes[slot];
    if (inode.type == FileType::kDirectory) {
      if (!is_directory(found.below)) found.below = kNoInode;
      walk.enter(found, name.size());
    } else if (inode.type != FileType::kSymlink || !walk.follow(inode.inline_data)) {
      return {};
    }
  }
  return walk.here();
}

void LayerTree::put_link(std::string_view path, std::string_view target, WhiteoutStyle style) {
  const auto [parent_path, name] = split_last(path);
  const InodeId parent = make_parent(parent_path, name);
  const bool sees_below = style == WhiteoutStyle::kOci;
  const Found now = find({root_, lower_root_}, target, sees_below ? Marks::kHide : Marks::kIgnored);
  const InodeId found = now.here == kNoInode && sees_below ? now.below : now.here;
  if (found == kDroppedSlot)
    throw UnfitPath(util::ErrorCode::kUnsupported,
                    util::concat("hard link to ", util::printable(target), ", which is dropped"));
  if (found == kWhiteoutSlot ||
      (is_inode(found) && tree_.inodes[found].type != FileType::kDirectory)) {
    put(parent, name, found);
    return;
  }
  // What is missing may come, a directory be replaced by a file: the end of the layer decides.
  if (links_.size() >= kMaxOpenLinks)
    throw util::Error(util::ErrorCode::kTooLarge, "layer: add hard link: too many");
  links_.push_back({std::string(path), std::string(target), false, kNoInode});
  put(parent, name, kLinkBit | static_cast<InodeId>(links_.size() - 1));
}

// As it is before this layer; also where this layer has another kind of file on the way.
InodeId LayerTree::resolve_below(std::string_view target) const {
  const InodeId merged = find({root_, lower_root_}, target, Marks::kIgnored).below;
  if (merged != kNoInode) return merged;
  return find({kNoInode, lower_root_}, target, Marks::kIgnored).below;
}

InodeId LayerTree::resolve(InodeId slot, const OnDropped& on_dropped) {
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
    InodeId next = find({root_, lower_root_}, link.target, Marks::kIgnored).here;
    // A name that this layer only links to itself means the file of the layer below.
    const bool cycle = is_open_link(next) && links_[next & ~kLinkBit].in_progress;
    if (next == kNoInode || cycle) next = resolve_below(link.target);
    if (next == kNoInode) refuse_link(link.path, link.target, "no such file");
    if (is_inode(next) && tree_.inodes[next].type == FileType::kDirectory)
      refuse_link(link.path, link.target, "target is a directory");
    found = next;
  }
  for (const InodeId open : chain) {
    PendingLink& link = links_[open & ~kLinkBit];
    link.in_progress = false;
    link.resolved = found;
    if (found == kDroppedSlot) on_dropped(link.path, link.target);
  }
  return found;
}

void LayerTree::resolve_in(InodeId directory, const OnDropped& on_dropped) {
  for (auto& [name, slot] : children(directory)) {
    if (is_open_link(slot)) {
      slot = resolve(slot, on_dropped);
      has_dropped_ |= slot == kDroppedSlot;
    } else if (is_inode(slot) && tree_.inodes[slot].type == FileType::kDirectory) {
      resolve_in(slot, on_dropped);
    }
  }
}

void LayerTree::collect_whiteouts(InodeId directory) {
  Children& names = children(directory);
  for (auto child = names.begin(); child != names.end();) {
    if (child->second == kWhiteoutSlot) {
      add_whiteout(directory, child->first);
      child = names.erase(child);
      continue;
    }
    if (is_directory(child->second)) collect_whiteouts(child->second);
    ++child;
  }
}

void LayerTree::resolve_links(const OnDropped& on_dropped, const OnGone& on_gone) {
  if (has_needy_) drop_needy({root_, lower_root_}, {}, on_gone);
  if (!links_.empty()) resolve_in(root_, on_dropped);
  // Only now: a link must find what it links to.
  if (has_whiteouts_) collect_whiteouts(root_);
}

}  // namespace ondemand::tree
