// SPDX-License-Identifier: Apache-2.0
//
// The plan of a bootstrap: every address and size, decided before a byte is written.
//
//   block 0   boot text | superblock at 1024 | device table at 1152
//   then      inodes with xattrs, chunk entries and inline data, from 32-byte slot to slot
//   then      shared xattrs | padding to a block | data blocks (directories, long texts)
//
// Inodes follow the directories in depth-first order, the children of one directory together.
// What must not cross a block (inline data) may leave a gap before the next block; later inodes
// fill the gaps, the smallest that fits and the latest first.  Linear in the number of inodes.
#pragma once

#include <cstdint>
#include <vector>

#include "erofs/bootstrap_options.h"
#include "erofs/xattr_plan.h"
#include "format/erofs_ondisk.h"
#include "tree/node.h"
#include "util/units.h"

namespace ondemand::erofs {

struct InodePlan {
  static constexpr std::uint32_t kNoXattrs = 0xFFFFFFFF;
  std::uint64_t offset = 0;       // in the image, multiple of 32.  Unit: bytes
  std::uint64_t size = 0;         // i_size
  std::uint32_t first_block = 0;  // of its data blocks in the image; 0 when it has none
  std::uint32_t xattr_set = kNoXattrs;
  tree::InodeId parent = 0;  // directories only
  ondisk::ErofsLayout layout = ondisk::ErofsLayout::kFlatPlain;
  std::uint8_t chunkbits = 0;  // chunk-based only
  bool is_compact = false;
  bool is_placed = false;  // false: not part of the image
};

struct Layout {
  std::vector<InodePlan> inodes;           // by tree::InodeId
  std::vector<tree::InodeId> by_offset;    // all that are part of the image, as they lie in it
  std::vector<tree::InodeId> with_blocks;  // those with data blocks, in the order of the blocks
  XattrPlan xattrs;
  util::Timestamp epoch;  // mtime of the compact inodes
  bool has_chunks = false;
  std::uint32_t meta_block = 0;     // base of nids
  std::uint64_t shared_offset = 0;  // begin of the shared xattrs.  Unit: bytes
  std::uint32_t data_block = 0;     // the first data block
  std::uint32_t nblocks = 0;        // of the whole image

  std::uint64_t nid(tree::InodeId inode) const;
  unsigned inode_size(const InodePlan& plan) const;       // 32 or 64
  std::uint64_t xattr_size(const InodePlan& plan) const;  // 0 when it has none
};

// Data blocks that an inode needs in the image besides its inline tail.
std::uint64_t data_blocks(const InodePlan& plan, tree::FileType type);

// Borrows the tree (the plan of its xattrs points into it).  Throws kUnsupported and kTooLarge,
// naming the path, for what EROFS cannot hold; kInternal for a tree that is not one.
Layout plan_layout(const tree::Tree& tree, const BootstrapOptions& options);

}  // namespace ondemand::erofs
