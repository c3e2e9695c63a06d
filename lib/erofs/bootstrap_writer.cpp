// SPDX-License-Identifier: Apache-2.0
#include "erofs/bootstrap_writer.h"

#include <algorithm>

#include "erofs/chunk_layout.h"
#include "erofs/dirent_codec.h"
#include "erofs/image_output.h"
#include "erofs/inode_codec.h"
#include "erofs/layout.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using chunk::kBlockSize;
using ondisk::ErofsLayout;
using tree::FileType;
using tree::InodeId;
using util::Error;
using util::ErrorCode;

// Carries out a plan; makes no choices.
class Writer {
 public:
  Writer(const tree::Tree& tree, const BootstrapOptions& options, const Layout& layout, int fd,
         std::string_view name)
      : tree_(tree), options_(options), layout_(layout), out_(fd, name) {}

  BootstrapResult run() {
    write_head();
    write_inodes();
    write_shared_xattrs();
    write_data_blocks();
    const hash::Digest digest = out_.finish();
    return seal(digest);
  }

 private:
  void write_head();
  void write_inodes();
  void write_shared_xattrs();
  void write_data_blocks();
  BootstrapResult seal(const hash::Digest& digest);
  void write_entries(const tree::Inode& inode, const InodePlan& plan);
  // Blocks from number `first` on; without the inline tail, or only it.
  void write_directory(InodeId id, bool only_tail);
  void write_text(InodeId id, bool only_tail);

  const tree::Tree& tree_;
  const BootstrapOptions& options_;
  const Layout& layout_;
  ImageOutput out_;
};

void Writer::write_head() {
  if (options_.boot_text.size() > ondisk::kErofsSuperOffset)
    throw Error(ErrorCode::kTooLarge, "boot text: write: more than 1024 bytes");
  out_.write(util::as_bytes(options_.boot_text));
  out_.zero_to(ondisk::kErofsSuperOffset);
  out_.write(util::object_bytes(encode_superblock(layout_, options_)));
  // Devices follow the image and one another in the unified address space.
  std::uint32_t uniaddr = layout_.nblocks;
  for (const BlobDevice& device : options_.devices) {
    out_.write(util::object_bytes(encode_device_slot(device, uniaddr)));
    if (device.nblocks > 0xFFFFFFFF - uniaddr)
      throw Error(ErrorCode::kTooLarge,
                  util::concat("device ", util::printable(device.tag),
                               ": write slot: all devices together are over 2^32 blocks"));
    uniaddr += device.nblocks;
  }
}

void Writer::write_inodes() {
  const auto first_shared_id = static_cast<std::uint32_t>(layout_.shared_offset % kBlockSize / 4);
  std::uint32_t ino = 0;
  for (const InodeId id : layout_.by_offset) {
    const tree::Inode& inode = tree_.inodes[id];
    const InodePlan& plan = layout_.inodes[id];
    out_.zero_to(plan.offset);
    const auto xattr_size = static_cast<std::uint32_t>(layout_.xattr_size(plan));
    out_.write(encode_inode(inode, plan, xattr_size, ++ino));
    if (xattr_size != 0) out_.write(layout_.xattrs.encode_region(plan.xattr_set, first_shared_id));
    if (plan.layout == ErofsLayout::kChunkBased) write_entries(inode, plan);
    if (plan.layout != ErofsLayout::kFlatInline) continue;
    if (inode.type == FileType::kDirectory) {
      write_directory(id, true);
    } else {
      write_text(id, true);
    }
  }
}

void Writer::write_entries(const tree::Inode& inode, const InodePlan& plan) {
  const ChunkLayout chunks = choose_chunk_layout(inode.extents, plan.size);
  out_.zero_to(util::round_up(out_.position(), std::uint64_t{chunks.entry_size()}));
  for_each_chunk_entry(inode.extents, chunks, [&](const ChunkEntry& entry) {
    const std::uint32_t start = entry.is_hole ? ondisk::kErofsNullAddr : entry.start.value;
    if (!chunks.has_data) {
      out_.write(util::object_bytes(util::Le32(start)));
      return;
    }
    ondisk::ErofsChunkIndex index{};
    index.device_id = entry.device.value;
    index.startblk_lo = start;
    out_.write(util::object_bytes(index));
  });
}

void Writer::write_directory(InodeId id, bool only_tail) {
  const InodePlan& plan = layout_.inodes[id];
  const std::uint64_t full_blocks = plan.size / kBlockSize;
  const bool has_inline_tail = plan.layout == ErofsLayout::kFlatInline;
  const DirectoryContent content{*tree_.inodes[id].children, id, plan.parent,
                                 [this](InodeId target) {
                                   DirentTarget result;
                                   result.nid = layout_.nid(target);
                                   result.type = to_dirent_type(tree_.inodes[target].type);
                                   return result;
                                 }};
  std::uint64_t number = only_tail ? full_blocks : 0;
  encode_directory(content, number, [&](util::Bytes block) {
    const bool is_inline = has_inline_tail && number == full_blocks;
    ++number;
    if (is_inline != only_tail) return;
    out_.write(block);
  });
}

void Writer::write_text(InodeId id, bool only_tail) {
  const util::Bytes text = util::as_bytes(tree_.inodes[id].inline_data);
  const bool has_inline_tail = layout_.inodes[id].layout == ErofsLayout::kFlatInline;
  const std::size_t full =
      has_inline_tail ? util::round_down(text.size(), std::size_t{kBlockSize}) : text.size();
  out_.write(only_tail ? text.subspan(full) : text.first(full));
}

void Writer::write_shared_xattrs() {
  out_.zero_to(layout_.shared_offset);
  out_.write(layout_.xattrs.encode_shared());
}

void Writer::write_data_blocks() {
  for (const InodeId id : layout_.with_blocks) {
    out_.zero_to(std::uint64_t{layout_.inodes[id].first_block} * kBlockSize);
    if (tree_.inodes[id].type == FileType::kDirectory) {
      write_directory(id, false);
    } else {
      write_text(id, false);
    }
  }
  out_.zero_to(std::uint64_t{layout_.nblocks} * kBlockSize);
}

BootstrapResult Writer::seal(const hash::Digest& digest) {
  const util::MutableBytes block = out_.first_block();
  std::uint8_t* at = block.data() + ondisk::kErofsSuperOffset;
  ondisk::ErofsSuperBlock super;
  std::memcpy(&super, at, sizeof super);
  if (!options_.uuid) {
    std::copy_n(digest.bytes.begin(), super.uuid.size(), super.uuid.begin());
    // Version 8 (the maker's own scheme) and variant bits.  Source: RFC 9562 section 5.8.
    super.uuid[6] = static_cast<std::uint8_t>((super.uuid[6] & 0x0F) | 0x80);
    super.uuid[8] = static_cast<std::uint8_t>((super.uuid[8] & 0x3F) | 0x80);
  }
  std::memcpy(at, &super, sizeof super);
  super.checksum = superblock_checksum(block);
  std::memcpy(at, &super, sizeof super);
  out_.commit_first_block();

  BootstrapResult result;
  result.size_bytes = std::uint64_t{layout_.nblocks} * kBlockSize;
  result.inodes = layout_.by_offset.size();
  for (const InodeId id : layout_.by_offset)
    if (layout_.inodes[id].is_compact) ++result.compact_inodes;
  result.uuid = super.uuid;
  return result;
}

// Extents must lie on devices that the options name.
void check_devices(const tree::Tree& tree, const Layout& layout, const BootstrapOptions& options) {
  if (options.devices.size() > 0xFFFF)
    throw Error(ErrorCode::kTooLarge, "device table: write: more than 65535 devices");
  for (const InodeId id : layout.by_offset) {
    for (const chunk::Extent& extent : tree.inodes[id].extents) {
      const std::size_t device = extent.device.value;
      const bool is_inside =
          device >= 1 && device <= options.devices.size() &&
          std::uint64_t{extent.start.value} + extent.nblocks <= options.devices[device - 1].nblocks;
      if (!is_inside)
        throw Error(ErrorCode::kInternal,
                    util::concat("inode ", id, ": write the bootstrap: extent at block ",
                                 extent.start.value, " is outside of device ", device));
    }
  }
}

}  // namespace

BootstrapResult write_bootstrap(const tree::Tree& tree, const BootstrapOptions& options, int fd,
                                std::string_view name) {
  const Layout layout = plan_layout(tree, options);
  check_devices(tree, layout, options);
  return Writer(tree, options, layout, fd, name).run();
}

}  // namespace ondemand::erofs
