// SPDX-License-Identifier: Apache-2.0
#include "erofs/bootstrap_reader.h"

#include <algorithm>

#include "erofs/inode_codec.h"
#include "erofs/xattr_codec.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {

using util::Error;
using util::ErrorCode;

namespace {

// Features that change nothing in what we read (compressed inodes are refused one by one).
constexpr std::uint32_t kReadableFeatures =
    ondisk::kErofsIncompatZeroPadding | ondisk::kErofsIncompatComprCfgs |
    ondisk::kErofsIncompatChunkedFile | ondisk::kErofsIncompatDeviceTable |
    ondisk::kErofsIncompatZtailpacking | ondisk::kErofsIncompatFragments |
    ondisk::kErofsIncompatXattrPrefixes;

}  // namespace

void BootstrapReader::corrupt(std::string_view what, std::string_view reason) const {
  throw Error(ErrorCode::kCorrupt, util::concat(name_, ": read ", what, ": ", reason));
}

void BootstrapReader::unsupported(std::string_view what, std::string_view reason) const {
  throw Error(ErrorCode::kUnsupported, util::concat(name_, ": read ", what, ": ", reason));
}

util::Bytes BootstrapReader::bytes_at(std::uint64_t offset, std::uint64_t len,
                                      std::string_view what) const {
  if (offset > image_.size() || len > image_.size() - offset)
    corrupt(what,
            util::concat(len, " bytes at 0x", util::to_hex(offset), " are outside of the image"));
  return image_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(len));
}

BootstrapReader::BootstrapReader(util::Bytes image, std::string name)
    : image_(image), name_(std::move(name)) {
  super_ = read_at<ondisk::ErofsSuperBlock>(ondisk::kErofsSuperOffset, "superblock");
  if (super_.magic != ondisk::kErofsMagic) corrupt("superblock", "not an erofs image");
  check_features();
  read_devices();
}

void BootstrapReader::check_features() const {
  const std::uint32_t features = super_.feature_incompat;
  if (super_.blkszbits < ondisk::kErofsMinBlockBits || super_.blkszbits > 16)
    corrupt("superblock", util::concat("blkszbits is ", unsigned{super_.blkszbits}));
  if (super_.blkszbits > ondisk::kErofsMaxBlockBits)
    unsupported("superblock", "blocks larger than 4096 bytes");
  if ((features & ondisk::kErofsIncompat48Bit) != 0) unsupported("superblock", "feature 48BIT");
  if ((features & ondisk::kErofsIncompatMetabox) != 0) unsupported("superblock", "feature METABOX");
  if ((features & ~kReadableFeatures) != 0)
    unsupported("superblock", util::concat("unknown feature_incompat bits 0x",
                                           util::to_hex(features & ~kReadableFeatures)));
  if (super_.dirblkbits != 0) unsupported("superblock", "directory blocks of several blocks");
  // The checksum covers the rest of the block that the superblock begins in or, where blocks are
  // no larger than its offset, one block.
  const std::uint64_t covered = block_size() > ondisk::kErofsSuperOffset
                                    ? block_size()
                                    : ondisk::kErofsSuperOffset + std::uint64_t{block_size()};
  bytes_at(0, covered, "superblock");
}

void BootstrapReader::read_devices() {
  if ((super_.feature_incompat & ondisk::kErofsIncompatDeviceTable) == 0) return;
  std::uint64_t offset = std::uint64_t{super_.devt_slotoff} * sizeof(ondisk::ErofsDeviceSlot);
  bytes_at(offset, std::uint64_t{super_.extra_devices} * sizeof(ondisk::ErofsDeviceSlot),
           "device table");
  for (unsigned i = 0; i < super_.extra_devices; ++i, offset += sizeof(ondisk::ErofsDeviceSlot)) {
    const auto slot = read_at<ondisk::ErofsDeviceSlot>(offset, "device table");
    DeviceInfo info;
    info.tag.assign(slot.tag.begin(), std::find(slot.tag.begin(), slot.tag.end(), 0));
    info.nblocks = slot.blocks_lo;  // the _hi fields belong to 48BIT
    info.uniaddr = slot.uniaddr_lo;
    if (info.uniaddr != 0) by_uniaddr_.push_back(static_cast<std::uint16_t>(i));
    devices_.push_back(std::move(info));
  }
  std::stable_sort(by_uniaddr_.begin(), by_uniaddr_.end(),
                   [this](std::uint16_t a, std::uint16_t b) {
                     return devices_[a].uniaddr < devices_[b].uniaddr;
                   });
}

std::uint64_t BootstrapReader::checksum_end() const {
  // To the end of the first block; blocks that end before the superblock count from there.
  return block_size() > ondisk::kErofsSuperOffset ? block_size()
                                                  : ondisk::kErofsSuperOffset + block_size();
}

bool BootstrapReader::is_checksum_right() const {
  if ((super_.feature_compat & ondisk::kErofsCompatSbChksum) == 0) return true;
  return superblock_checksum(image_.first(checksum_end())) == super_.checksum;
}

std::string BootstrapReader::symlink_target(const InodeInfo& symlink) const {
  constexpr std::uint64_t kPathMax = 4096;
  if (symlink.type != tree::FileType::kSymlink || symlink.size == 0 || symlink.size > kPathMax)
    corrupt("symbolic link", util::concat("not one, or target of ", symlink.size, " bytes"));
  std::string target;
  for_each_extent(symlink,
                  [&](const FileExtent& extent) { target += util::as_text(bytes_of(extent)); });
  if (target.find('\0') != std::string::npos) corrupt("symbolic link", "NUL in the target");
  return target;
}

util::Bytes BootstrapReader::bytes_of(const FileExtent& extent) const {
  if (extent.kind == ExtentKind::kHole) corrupt("data", "a hole where the image must have data");
  if (extent.device.value != 0) unsupported("data", "it lies on another device");
  return bytes_at(extent.address, extent.file.len, "data");
}

std::uint64_t BootstrapReader::visit_xattr(
    std::uint64_t offset, std::uint64_t limit,
    const std::function<void(const XattrView&)>& visit) const {
  if (limit - offset < sizeof(ondisk::ErofsXattrEntry)) corrupt("xattr", "entry is cut off");
  const auto entry = read_at<ondisk::ErofsXattrEntry>(offset, "xattr");
  const std::uint64_t len = std::uint64_t{entry.e_name_len} + entry.e_value_size;
  const std::uint64_t record = xattr_record_size(entry.e_name_len, entry.e_value_size);
  if (record > limit - offset) corrupt("xattr", "entry reaches over its region");
  const std::uint64_t next = offset + record;
  // Zero padding parses as an entry without index, name and value.
  if (entry.e_name_index == 0 && len == 0) return next;
  if ((entry.e_name_index & ondisk::kErofsXattrLongPrefix) != 0)
    unsupported("xattr", "long name prefix");
  const auto prefix = xattr_prefix(entry.e_name_index);
  if (!prefix) unsupported("xattr", util::concat("name index ", unsigned{entry.e_name_index}));
  const util::Bytes bytes = bytes_at(offset + sizeof entry, len, "xattr");
  visit({*prefix, util::as_text(bytes.first(entry.e_name_len)), bytes.subspan(entry.e_name_len)});
  return next;
}

void BootstrapReader::for_each_xattr(const InodeInfo& inode,
                                     const std::function<void(const XattrView&)>& visit) const {
  if (inode.xattr_size == 0) return;
  std::uint64_t at = inode.offset + inode.inode_size;
  const std::uint64_t end = at + inode.xattr_size;
  bytes_at(at, inode.xattr_size, "xattrs");
  if (inode.xattr_size <= sizeof(ondisk::ErofsXattrIbodyHeader)) corrupt("xattrs", "empty region");
  const auto header = read_at<ondisk::ErofsXattrIbodyHeader>(at, "xattrs");
  at += sizeof header;
  if (std::uint64_t{header.h_shared_count} * 4 > end - at) corrupt("xattrs", "too many shared ids");
  const std::uint64_t base = std::uint64_t{super_.xattr_blkaddr} << super_.blkszbits;
  for (unsigned i = 0; i < header.h_shared_count; ++i, at += 4) {
    const std::uint32_t id = read_at<util::Le32>(at, "xattrs");
    const std::uint64_t shared = base + std::uint64_t{id} * 4;
    bytes_at(shared, sizeof(ondisk::ErofsXattrEntry), "shared xattr");
    visit_xattr(shared, image_.size(), visit);
  }
  while (at < end)
    at = visit_xattr(at, end, visit);
}

tree::XattrSet BootstrapReader::xattrs(const InodeInfo& inode) const {
  tree::XattrSet set;
  for_each_xattr(inode, [&](const XattrView& view) {
    tar::Xattr xattr;
    xattr.name = util::concat(view.prefix, view.suffix);
    xattr.value = util::as_text(view.value);
    set.push_back(std::move(xattr));
  });
  std::sort(set.begin(), set.end());
  return set;
}

}  // namespace ondemand::erofs
