// SPDX-License-Identifier: Apache-2.0
//
// One layer as a tree of its own, before it is merged onto the layers below.  Its inodes lie in
// the image's table; what a layer has beside files (whiteouts, implicit directories, hard links
// that are still open) lies here and goes when the layer ends.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tree/node.h"
#include "tree/path_walk.h"
#include "tree/whiteout.h"

namespace ondemand::tree {

inline constexpr InodeId kNoInode = std::numeric_limits<InodeId>::max();
// In the children of a directory in place of an inode, of a layer and, until the image is whole, of
// the tree of the layers below: an entry that was left out.
inline constexpr InodeId kDroppedSlot = 0xFFFF'FFF1;

// What a directory of a layer says about the directory below it.
struct LayerDirectory {
  bool is_explicit = false;                      // an entry gave its metadata
  bool is_opaque = false;                        // hides all that lower layers have in it
  bool needs_lower = false;                      // no entry may give its metadata but a lower one
  std::set<std::string, std::less<>> whiteouts;  // names hidden in lower layers
};

class LayerTree {
 public:
  // Adds inodes to `tree`, which it borrows.  `lower_root`: the tree of the layers below, which
  // must not change until resolve_links().  `has_dropped_below`: it has kDroppedSlots.
  // Borrows `budget`, which is for all layers.
  LayerTree(Tree& tree, InodeId lower_root, bool has_dropped_below, WalkBudget& budget);

  InodeId root() const { return root_; }
  const LayerDirectory& directory(InodeId id) const { return directories_.at(id); }

  // The directory at a normalised path.  Makes what is missing, as implicit directories.  Symbolic
  // links of this layer on the way are followed inside the root, as an unpacker would; those of
  // lower layers are hidden by what this layer puts in their place.
  // Throws kCorrupt where another kind of file of this layer stands and for loops, UnfitPath where
  // an entry has been dropped and for a depth that no path has.
  InodeId make_directory(std::string_view path);
  // The same for the parent of a new name.  Throws UnfitPath, too, where the path to that would be
  // longer than kMaxPathBytes.
  InodeId make_parent(std::string_view path, std::string_view name);
  // Puts an inode at `name`; replaces what was there.
  void put(InodeId parent, std::string_view name, InodeId inode);
  // Gives the directory at `path` ("" = root) its metadata; keeps its children.  Replaces what is
  // no directory.
  void put_directory(std::string_view path, Inode metadata);
  void mark_opaque(InodeId directory) { directories_[directory].is_opaque = true; }
  // Hides the name in lower layers, whatever this layer has there.
  void add_whiteout(InodeId directory, std::string_view name);
  // A whiteout that is an entry like any other: replaces an earlier one of its path, is replaced by
  // later ones, and hard links to it are whiteouts, too.
  void put_whiteout(InodeId parent, std::string_view name);
  // An entry that is left out: hides the name in lower layers, and what lies in it or links to it
  // throws UnfitPath, in later layers, too, until one gives the name to something else.
  void put_dropped(InodeId parent, std::string_view name);
  // The entry of a directory that is left out.  True: there is a directory already, by an entry of
  // this layer or one below, which keeps its metadata.  False: as put_dropped(), since a directory
  // made up could be open to more users.  `on_gone` is called for all that went with `directory`.
  using OnGone = std::function<void(const std::string& path, const std::string& directory)>;
  bool put_dropped_directory(std::string_view path, const OnGone& on_gone);
  // Whether there are kDroppedSlots, here or below.
  bool has_dropped() const { return has_dropped_; }
  // A hard link; `target` is a normalised path.  It is bound at once to an earlier entry of this
  // layer or else, kOci, to what the layers below show there, as far as the marks of this layer
  // leave it so far; where that is nothing, by resolve_links().  Symbolic links on the way to the
  // target are those of this layer or, where it has nothing of the name, of the layers below.
  void put_link(std::string_view path, std::string_view target, WhiteoutStyle style);

  // Binds the links that are still open to later entries of this layer or else to files of the
  // layers below, also those that this layer hides.  Throws kCorrupt when the target is missing or
  // a directory. From here on all names are of inodes or kDroppedSlot. `on_dropped` is called for
  // links to what has been dropped; they are dropped, too.
  using OnDropped = std::function<void(const std::string& path, const std::string& target)>;
  void resolve_links(const OnDropped& on_dropped, const OnGone& on_gone);
  // Afterwards: takes a name out of the root.
  void remove(std::string_view name) { children(root_).erase(std::string(name)); }

 private:
  struct PendingLink {
    std::string path;
    std::string target;
    bool in_progress = false;
    InodeId resolved = kNoInode;
  };
  Children& children(InodeId id) const { return *tree_.inodes[id].children; }
  InodeId new_directory(InodeId parent, std::string_view name);
  // What a path names in this layer and in those below; kNoInode where it is nothing.
  struct Found {
    InodeId here = kNoInode;
    InodeId below = kNoInode;
  };
  // Whether whiteouts and opaque marks of this layer hide what is below.
  enum class Marks : std::uint8_t { kHide, kIgnored };
  // In the directories of both, this layer's entries first.
  Found find(Found roots, std::string_view path, Marks marks) const;
  Found look_up(Found directories, const std::string& name, Marks marks) const;
  bool is_directory(InodeId slot) const;
  InodeId below_of(Found directory, const std::string& name) const;
  Found make_place(std::string_view path, InodeId lower_root);
  void tell_gone(InodeId directory, const std::string& path, const std::string& dropped,
                 const OnGone& on_gone) const;
  void drop_needy(Found directory, const std::string& path, const OnGone& on_gone);
  InodeId resolve_below(std::string_view target) const;
  InodeId resolve(InodeId link, const OnDropped& on_dropped);
  void resolve_in(InodeId directory, const OnDropped& on_dropped);
  void collect_whiteouts(InodeId directory);

  Tree& tree_;
  const InodeId lower_root_;
  InodeId root_;
  std::unordered_map<InodeId, LayerDirectory> directories_;
  // Slots of open links hold kLinkBit | index of links_, whiteouts and dropped ones a mark.
  std::vector<PendingLink> links_;
  bool has_whiteouts_ = false;
  bool has_dropped_;
  bool has_needy_ = false;  // directories that need a lower one
  // The directory of the entry before: most entries follow one of the same directory.
  std::string last_path_;
  InodeId last_directory_ = kNoInode;
  std::size_t last_bytes_ = 0;  // of its path, without symbolic links
  WalkBudget& budget_;
};

// Adds an inode to the table.  Throws kTooLarge when there are too many.
InodeId add_inode(Tree& tree, Inode inode);
// A directory that no entry describes: root:root, 0755, 1970.
Inode implicit_directory();

}  // namespace ondemand::tree
