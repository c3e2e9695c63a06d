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

namespace ondemand::tree {

inline constexpr InodeId kNoInode = std::numeric_limits<InodeId>::max();

// What a directory of a layer says about the directory below it.
struct LayerDirectory {
  bool is_explicit = false;                      // an entry gave its metadata
  bool is_opaque = false;                        // hides all that lower layers have in it
  std::set<std::string, std::less<>> whiteouts;  // names hidden in lower layers
};

class LayerTree {
 public:
  // Adds inodes to `tree`, which it borrows.  `lower_root`: the tree of the layers below, which
  // must not change until resolve_links().
  LayerTree(Tree& tree, InodeId lower_root);

  InodeId root() const { return root_; }
  const LayerDirectory& directory(InodeId id) const { return directories_.at(id); }

  // The directory at a normalised path.  Makes what is missing, as implicit directories.  Symbolic
  // links of this layer on the way are followed inside the root, as an unpacker would; those of
  // lower layers are hidden by what this layer puts in their place.
  // Throws kCorrupt where another kind of file of this layer stands, for loops and for a depth
  // that no path has, UnfitPath where an entry has been dropped.
  InodeId make_directory(std::string_view path);
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
  // throws UnfitPath.
  void put_dropped(InodeId parent, std::string_view name);
  // A hard link; `target` is a normalised path.  It is bound at once to an earlier entry of this
  // layer, else by resolve_links().  Symbolic links on the way to the target are those of this
  // layer or, where this layer has nothing of the name, of the layers below.
  void put_link(std::string_view path, std::string_view target);

  // Binds the links that are still open to later entries of this layer or else to files of the
  // layers below, as they are before this layer changes them.  Throws kCorrupt when the target is
  // missing or a directory.  From here on all names are of inodes.
  // `on_dropped` is called for links to what has been dropped; they are dropped, too.
  using OnDropped = std::function<void(const std::string& path, const std::string& target)>;
  void resolve_links(const OnDropped& on_dropped);

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
  // In the directories of both, this layer's entries first.
  Found find(Found roots, std::string_view path) const;
  Found look_up(Found directories, std::string_view name) const;
  InodeId resolve_below(std::string_view target) const;
  InodeId resolve(InodeId link, const OnDropped& on_dropped);
  void resolve_in(InodeId directory, const OnDropped& on_dropped);
  void collect_marks(InodeId directory);

  Tree& tree_;
  const InodeId lower_root_;
  InodeId root_;
  std::unordered_map<InodeId, LayerDirectory> directories_;
  // Slots of open links hold kLinkBit | index of links_, whiteouts and dropped ones a mark.
  std::vector<PendingLink> links_;
  bool has_marks_ = false;
  // The directory of the entry before: most entries follow one of the same directory.
  std::string last_path_;
  InodeId last_directory_ = kNoInode;
};

// Adds an inode to the table.  Throws kTooLarge when there are too many.
InodeId add_inode(Tree& tree, Inode inode);
// A directory that no entry describes: root:root, 0755, 1970.
Inode implicit_directory();

}  // namespace ondemand::tree
