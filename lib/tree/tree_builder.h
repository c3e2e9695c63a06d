// SPDX-License-Identifier: Apache-2.0
//
// Builds the merged tree of an image out of the entries of its layers, lowest layer first.
//
// A layer is a tree of its own until it ends, so that the order of its entries matters only for
// hard links and where two have the same path: there the last one wins, and a directory over a
// directory changes the metadata alone.  A symbolic link of the same layer as the parent of an
// entry is followed; other kinds of file are refused there, while those of lower layers are
// replaced by a directory. OCI whiteouts and opaque markers touch lower layers only; an overlayfs
// whiteout is an entry of its path, and a hard link to one is one.  A directory that no entry
// describes keeps the metadata of the lower one; with none it is root:root 0755 of 1970.
//
// Hard links mean, in this order: an earlier entry of the layer as it is at that moment, a file of
// the layers below that no earlier marker of the layer hides (but an upper directory of overlayfs
// is a tree of its own), a later entry, any file of the layers below.  Symbolic links on the way to
// the target may be of any layer; this one's entries come first.  They take their inode as it is:
// what the link's own header says of owner, mode or data is not used, as GNU tar does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tar/entry.h"
#include "tree/node.h"
#include "tree/whiteout.h"

namespace ondemand::tree {

// "No inode": never a valid id.
inline constexpr InodeId kNoData = 0xFFFFFFFF;

class TreeBuilder {
 public:
  explicit TreeBuilder(WhiteoutStyle style = WhiteoutStyle::kOci);
  TreeBuilder(const TreeBuilder&) = delete;
  TreeBuilder& operator=(const TreeBuilder&) = delete;
  ~TreeBuilder();

  // Called with an entry's path and what of it is left out, and why: an xattr of overlayfs that
  // hides nothing, and what set_lossy() drops.
  using OnDrop = std::function<void(const std::string& path, const std::string& what)>;
  void on_drop(OnDrop call);
  // From here on entries with names of over 255 bytes are dropped instead of refused.
  void set_lossy() { is_lossy_ = true; }

  // Range: layers do not nest.
  void begin_layer();

  // Takes an entry.  Returns the inode whose data the caller stores through inode() (a regular
  // file), else kNoData: a whiteout, a link or a type without data.
  // Throws kCorrupt and kUnsupported, naming the entry; the builder is then of no more use.
  InodeId add(tar::Entry entry);

  // An entry that the caller leaves out; its path, type, size, device and xattrs count.  It hides
  // what has its path as if it were there (a whiteout still is one), and with set_lossy() what lies
  // in it or is a hard link to it is dropped, too, in later layers as well, until one of them has
  // an entry of its path or a whiteout.
  // True: a directory which was there already keeps the metadata that it had, and what is in it.
  bool drop(tar::Entry entry);

  // So far, without or with a name.
  std::size_t inode_count() const;

  // A regular file that add() gave: set extents or inline_data.  Stays valid until finish(), over
  // layers; if the file has been replaced meanwhile, its data simply goes unused.
  Inode& inode(InodeId id);

  // Binds open hard links and merges the layer.  Throws kCorrupt, naming link and target.
  void end_layer();

  // The whole tree with link counts.  Inodes without a name stay in the table, empty, with
  // nlink 0.  The builder is done then.
  Tree finish();

 private:
  struct Impl;
  bool is_lossy_ = false;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ondemand::tree
