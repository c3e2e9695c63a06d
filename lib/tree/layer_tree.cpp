// SPDX-License-Identifier: Apache-2.0
#include "tree/layer_tree.h"

#include <utility>

#include "tree/path.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tree {

namespace {

constexpr InodeId kLinkBit = 0x8000'0000;
constexpr InodeId kWhiteoutSlot = 0xFFFF'FFF0;
constexpr InodeId kDroppedSlot = 0xFFFF'FFF1;
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

// Source: Linux MAXSYMLINKS.
constexpr int kMaxLinkHops = 40;
// As deep as a path has names; with symbolic links on the way it could be any depth.
constexpr std::size_t kMaxDepth = 2048;

// A place on the way along a path inside a root: what a symbolic link says comes before what is
// left of the path.  `Place` is what stands for a directory.
template <class Place>
class Walk {
 public:
  Walk(Place root, std::string_view path) : way_{root}, rest_(path) {}

  Place here() const { return way_.back(); }
  std::size_t depth() const { return way_.size(); }
  bool at_end() const { return position_ >= rest_.size(); }
  // The next name; empty where the path ends in a slash.  Valid until follow().
  std::string_view next_name() {
    for (;;) {
      std::string_view rest = std::string_view(rest_).substr(position_);
      const std::string_view name = take_component(rest);
      position_ = rest_.size() - rest.size();
      if (name == "..") {
        if (way_.size() > 1) way_.pop_back();
      } else if ((!name.empty() && name != ".") || at_end()) {
        return name == "." ? std::string_view() : name;
      }
    }
  }
  void enter(Place directory) { way_.push_back(directory); }
  // False after too many of them.
  bool follow(std::string_view target) {
    if (++hops_ > kMaxLinkHops) return false;
    if (target.starts_with('/')) way_.resize(1);
    rest_ = util::concat(target, "/", std::string_view(rest_).substr(position_));
    position_ = 0;
    return true;
  }

 private:
  std::vector<Place> way_;  // from the root on
  std::string rest_;
  std::size_t position_ = 0;
  int hops_ = 0;
};

[[noreturn]] void drop_child(std::string_view path, std::string_view name,
                             std::string_view reason) {
  throw UnfitPath(util::ErrorCode::kUnsupported,
                  util::concat(util::printable(path.substr(0, 256)), ": add entry in it: parent ",
                               util::printable(name.substr(0, 256)), " ", reason));
}

[[noreturn]] void refuse_parent(std::string_view path, std::string_view name,
                                std::string_view reason) {
  throw util::Error(util::ErrorCode::kCorrupt,
                    util::concat(util::printable(path), ": add entry in it: parent ",
                                 util::printable(name.substr(0, 256)), " ", reason));
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

LayerTree::LayerTree(Tree& tree, InodeId lower_root)
    : tree_(tree), lower_root_(lower_root), root_(add_inode(tree, implicit_directory())) {
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

InodeId LayerTree::make_directory(std::string_view path) {
  if (last_directory_ != kNoInode && path == last_path_) return last_directory_;
  Walk<InodeId> walk(root_, path);
  while (!walk.at_end()) {
    const std::string_view name = walk.next_name();
    if (name.empty()) continue;
    if (walk.depth() > kMaxDepth) refuse_parent(path, name, "lies too deep");
    if (name.size() > kMaxNameBytes) drop_child(path, name, "has a name of over 255 bytes");
    const auto child = children(walk.here()).find(std::string(name));
    if (child == children(walk.here()).end()) {
      walk.enter(new_directory(walk.here(), name));
      continue;
    }
    const InodeId found = child->second;
    if (found == kWhiteoutSlot) {
      add_whiteout(walk.here(), name);
      walk.enter(new_directory(walk.here(), name));
      continue;
    }
    if (found == kDroppedSlot) drop_child(path, name, "has been dropped");
    if (is_open_link(found)) refuse_parent(path, name, "is not a directory");
    const Inode& inode = tree_.inodes[found];
    if (inode.type == FileType::kDirectory) {
      walk.enter(found);
    } else if (inode.type != FileType::kSymlink) {
      refuse_parent(path, name, "is not a directory");
    } else if (!walk.follow(inode.inline_data)) {
      refuse_parent(path, child->first, "is a loop of symbolic links");
    }
  }
  last_path_ = path;
  last_directory_ = walk.here();
  return last_directory_;
}

void LayerTree::put_directory(std::string_view path, Inode metadata) {
  InodeId id = root_;
  if (!path.empty()) {
    const auto [parent_path, name] = split_last(path);
    const InodeId parent = make_directory(parent_path);
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
  has_marks_ = true;
  put(parent, name, kWhiteoutSlot);
}

void LayerTree::put_dropped(InodeId parent, std::string_view name) {
  has_marks_ = true;
  put(parent, name, kDroppedSlot);
}

LayerTree::Found LayerTree::look_up(Found directories, std::string_view name) const {
  const auto in = [&](InodeId directory) {
    if (directory == kNoInode) return kNoInode;
    const Children& names = children(directory);
    const auto child = names.find(std::string(name));
    return child == names.end() ? kNoInode : child->second;
  };
  return {in(directories.here), in(directories.below)};
}

LayerTree::Found LayerTree::find(Found roots, std::string_view path) const {
  Walk<Found> walk(roots, path);
  while (!walk.at_end()) {
    const std::string_view name = walk.next_name();
    if (name.empty()) break;
    Found found = look_up(walk.here(), name);
    // The last name means what it is, also when that is a symbolic link.
    if (walk.at_end()) return found;
    const InodeId slot = found.here != kNoInode ? found.here : found.below;
    if (!is_inode(slot)) return {};
    const Inode& inode = tree_.inodes[slot];
    if (inode.type == FileType::kDirectory) {
      if (found.below != kNoInode && tree_.inodes[found.below].type != FileType::kDirectory)
        found.below = kNoInode;
      walk.enter(found);
    } else if (inode.type != FileType::kSymlink || !walk.follow(inode.inline_data)) {
      return {};
    }
  }
  return walk.here();
}

void LayerTree::put_link(std::string_view path, std::string_view target) {
  const auto [parent_path, name] = split_last(path);
  const InodeId parent = make_directory(parent_path);
  const InodeId found = find({root_, lower_root_}, target).here;
  if (found == kDroppedSlot)
    throw UnfitPath(util::ErrorCode::kUnsupported,
                    util::concat("hard link to ", util::printable(target), ", which is dropped"));
  if (found == kWhiteoutSlot ||
      (is_inode(found) && tree_.inodes[found].type != FileType::kDirectory)) {
    put(parent, name, found);
    return;
  }
  // A directory may still be replaced by a file: the end of the layer decides.
  if (links_.size() >= kMaxOpenLinks)
    throw util::Error(util::ErrorCode::kTooLarge, "layer: add hard link: too many");
  links_.push_back({std::string(path), std::string(target), false, kNoInode});
  put(parent, name, kLinkBit | static_cast<InodeId>(links_.size() - 1));
}

// As it is before this layer; also where this layer has another kind of file on the way.
InodeId LayerTree::resolve_below(std::string_view target) const {
  const InodeId merged = find({root_, lower_root_}, target).below;
  return merged != kNoInode ? merged : find({kNoInode, lower_root_}, target).below;
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
    InodeId next = find({root_, lower_root_}, link.target).here;
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
    } else if (is_inode(slot) && tree_.inodes[slot].type == FileType::kDirectory) {
      resolve_in(slot, on_dropped);
    }
  }
}

void LayerTree::collect_marks(InodeId directory) {
  Children& names = children(directory);
  for (auto child = names.begin(); child != names.end();) {
    if (!is_inode(child->second)) {
      add_whiteout(directory, child->first);
      child = names.erase(child);
      continue;
    }
    if (tree_.inodes[child->second].type == FileType::kDirectory) collect_marks(child->second);
    ++child;
  }
}

void LayerTree::resolve_links(const OnDropped& on_dropped) {
  if (!links_.empty()) resolve_in(root_, on_dropped);
  // Only now: a link must find what it links to.
  if (has_marks_) collect_marks(root_);
}

}  // namespace ondemand::tree
