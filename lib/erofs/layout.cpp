// SPDX-License-Identifier: Apache-2.0
#include "erofs/layout.h"

#include <algorithm>

#include "erofs/chunk_layout.h"
#include "erofs/dirent_codec.h"
#include "erofs/slot_allocator.h"
#include "erofs/tree_walk.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using chunk::kBlockSize;
using ondisk::ErofsLayout;
using tree::FileType;
using tree::Inode;
using tree::InodeId;
using util::Error;
using util::ErrorCode;

std::uint64_t size_on_disk(const Inode& inode) {
  switch (inode.type) {
    case FileType::kDirectory:
      return directory_size(*inode.children);
    case FileType::kSymlink:
      return inode.inline_data.size();
    case FileType::kRegular:
      return inode.size;
    default:
      return 0;
  }
}

bool fits_compact(const Inode& inode, const InodePlan& plan) {
  return plan.size <= 0xFFFFFFFF && inode.uid <= 0xFFFF && inode.gid <= 0xFFFF &&
         inode.nlink <= 0xFFFF;
}

// The commonest mtime of the inodes that could be compact otherwise; of several the earliest.
util::Timestamp choose_epoch(const tree::Tree& tree, const Layout& layout) {
  std::vector<util::Timestamp> times;
  for (const InodeId id : layout.by_offset)
    if (fits_compact(tree.inodes[id], layout.inodes[id])) times.push_back(tree.inodes[id].mtime);
  if (times.empty()) return tree.inodes[tree::kRootInode].mtime;
  std::sort(times.begin(), times.end());
  util::Timestamp best = times.front();
  std::ptrdiff_t best_count = 0;
  for (auto run = times.begin(); run != times.end();) {
    const auto next = std::upper_bound(run, times.end(), *run);
    if (next - run > best_count) {
      best = *run;
      best_count = next - run;
    }
    run = next;
  }
  return best;
}

class Planner {
 public:
  Planner(const tree::Tree& tree, const BootstrapOptions& options) : tree_(tree) {
    // The root's nid has 16 bits: nids count from the block in which the inodes begin.
    const std::uint64_t table_end = ondisk::kErofsSuperOffset + sizeof(ondisk::ErofsSuperBlock) +
                                    options.devices.size() * sizeof(ondisk::ErofsDeviceSlot);
    first_slot_ = util::round_up(table_end, std::uint64_t{ondisk::kErofsSlotSize});
    layout_.meta_block = util::narrow<std::uint32_t>(first_slot_ / kBlockSize);
    layout_.inodes.resize(tree.inodes.size());
  }

  Layout plan() {
    collect();
    if (const auto set = layout_.xattrs.finish()) refuse_xattrs(*set);
    layout_.epoch = choose_epoch(tree_, layout_);
    place_inodes();
    place_areas();
    return std::move(layout_);
  }

 private:
  void collect();
  void count_entries(std::uint64_t nentries);
  [[noreturn]] void refuse_xattrs(XattrPlan::SetId set);
  void place_inodes();
  void place_areas();
  std::uint64_t choose_layout(const Inode& inode, InodePlan& plan, std::uint64_t head);

  const tree::Tree& tree_;
  Layout layout_;
  std::uint64_t nentries_ = 0;
  std::uint64_t first_slot_ = 0;
  std::uint64_t slots_end_ = 0;
};

// A hundred sparse files are a small archive, too.
void Planner::count_entries(std::uint64_t nentries) {
  nentries_ += nentries;  // each at most kMaxChunkEntries
  if (nentries_ > kMaxChunkEntriesOfImage)
    throw util::Error(
        util::ErrorCode::kTooLarge,
        util::concat("plan chunks: this file and those before need ", nentries_, " entries, ",
                     kMaxChunkEntriesOfImage, " allowed", kFewerChunkEntries));
}

void Planner::collect() {
  walk_tree(tree_, [&](const TreeVisit& visit) {
    const Inode& inode = tree_.inodes[visit.inode];
    InodePlan& plan = layout_.inodes[visit.inode];
    plan.is_placed = true;
    plan.parent = visit.parent;
    plan.size = size_on_disk(inode);
    if (inode.xattrs != nullptr && !inode.xattrs->empty())
      plan.xattr_set = layout_.xattrs.add(*inode.xattrs);
    // What has too many chunks is refused here, where its path is known.
    if (inode.type == FileType::kRegular && inode.inline_data.empty() && plan.size > 0)
      count_entries(choose_chunk_layout(inode.extents, plan.size).nentries);
    layout_.by_offset.push_back(visit.inode);
  });
}

// Only the walk knows paths: it goes once more to the first inode that has the set.
void Planner::refuse_xattrs(XattrPlan::SetId set) {
  const Error error = layout_.xattrs.too_large(set);
  walk_tree(tree_, [&](const TreeVisit& visit) {
    if (layout_.inodes[visit.inode].xattr_set == set) throw error;
  });
  throw error;
}

// Decides how the data lies and returns the bytes behind inode and xattrs (`head` bytes).
std::uint64_t Planner::choose_layout(const Inode& inode, InodePlan& plan, std::uint64_t head) {
  if (plan.size == 0) return 0;  // FLAT_PLAIN of nothing: empty files, devices, fifos, sockets
  if (inode.type == FileType::kRegular && inode.inline_data.empty()) {
    const ChunkLayout chunks = choose_chunk_layout(inode.extents, plan.size);
    layout_.has_chunks = true;
    plan.layout = ErofsLayout::kChunkBased;
    plan.chunkbits = chunks.chunkbits;
    const std::uint64_t entry_size = chunks.entry_size();
    return util::round_up(head, entry_size) - head + util::checked_mul(chunks.nentries, entry_size);
  }
  const std::uint64_t tail = plan.size % kBlockSize;
  if (tail == 0 || head + tail > kBlockSize) return 0;
  plan.layout = ErofsLayout::kFlatInline;
  return tail;
}

void Planner::place_inodes() {
  SlotAllocator slots(first_slot_);
  std::uint64_t data_blocks_so_far = 0;
  for (const InodeId id : layout_.by_offset) {
    const Inode& inode = tree_.inodes[id];
    InodePlan& plan = layout_.inodes[id];
    plan.is_compact = fits_compact(inode, plan) && inode.mtime == layout_.epoch;
    const std::uint64_t head = layout_.inode_size(plan) + layout_.xattr_size(plan);
    const std::uint64_t behind = choose_layout(inode, plan, head);
    // Newer kernels let inode and xattrs lie in an earlier block than the tail, older ones do not
    // for symlinks: all in one block suits everyone.
    const bool one_block = plan.layout == ErofsLayout::kFlatInline;
    plan.offset = slots.allocate(util::checked_add(head, behind), one_block);
    const std::uint64_t nblocks = data_blocks(plan, inode.type);
    if (nblocks == 0) continue;
    plan.first_block = util::narrow<std::uint32_t>(data_blocks_so_far);  // relative for now
    data_blocks_so_far = util::checked_add(data_blocks_so_far, nblocks);
    layout_.with_blocks.push_back(id);
  }
  slots_end_ = slots.end();
  layout_.nblocks = util::narrow<std::uint32_t>(data_blocks_so_far);
}

void Planner::place_areas() {
  std::sort(layout_.by_offset.begin(), layout_.by_offset.end(), [this](InodeId a, InodeId b) {
    return layout_.inodes[a].offset < layout_.inodes[b].offset;
  });
  layout_.shared_offset = slots_end_;
  const std::uint64_t meta_end = util::checked_add(slots_end_, layout_.xattrs.shared_size());
  layout_.data_block =
      util::narrow<std::uint32_t>(util::div_round_up(meta_end, std::uint64_t{kBlockSize}));
  layout_.nblocks = util::checked_add(layout_.nblocks, layout_.data_block);
  for (const InodeId id : layout_.with_blocks)
    layout_.inodes[id].first_block += layout_.data_block;
}

}  // namespace

std::uint64_t Layout::nid(InodeId inode) const {
  const std::uint64_t base = std::uint64_t{meta_block} * kBlockSize;
  return (inodes[inode].offset - base) / ondisk::kErofsSlotSize;
}

unsigned Layout::inode_size(const InodePlan& plan) const {
  return plan.is_compact ? sizeof(ondisk::ErofsInodeCompact) : sizeof(ondisk::ErofsInodeExtended);
}

std::uint64_t Layout::xattr_size(const InodePlan& plan) const {
  return plan.xattr_set == InodePlan::kNoXattrs ? 0 : xattrs.region_size(plan.xattr_set);
}

std::uint64_t data_blocks(const InodePlan& plan, FileType type) {
  const bool has_data =
      type == FileType::kDirectory || type == FileType::kSymlink || type == FileType::kRegular;
  if (!has_data || plan.layout == ErofsLayout::kChunkBased) return 0;
  if (plan.layout == ErofsLayout::kFlatInline) return plan.size / kBlockSize;
  return util::div_round_up(plan.size, std::uint64_t{kBlockSize});
}

Layout plan_layout(const tree::Tree& tree, const BootstrapOptions& options) {
  return Planner(tree, options).plan();
}

}  // namespace ondemand::erofs
