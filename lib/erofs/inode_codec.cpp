// SPDX-License-Identifier: Apache-2.0
#include "erofs/inode_codec.h"

#include <sys/stat.h>

#include <algorithm>

#include "erofs/crc32c.h"
#include "util/align.h"
#include "util/error.h"

namespace ondemand::erofs {
namespace {

using ondisk::ErofsLayout;
using tree::FileType;

mode_t type_bits(FileType type) {
  switch (type) {
    case FileType::kRegular:
      return S_IFREG;
    case FileType::kDirectory:
      return S_IFDIR;
    case FileType::kSymlink:
      return S_IFLNK;
    case FileType::kCharDevice:
      return S_IFCHR;
    case FileType::kBlockDevice:
      return S_IFBLK;
    case FileType::kFifo:
      return S_IFIFO;
    case FileType::kSocket:
      return S_IFSOCK;
  }
  return 0;
}

std::uint32_t encode_i_u(const tree::Inode& inode, const InodePlan& plan) {
  if (inode.type == FileType::kCharDevice || inode.type == FileType::kBlockDevice)
    return encode_rdev(inode.rdev_major, inode.rdev_minor);
  if (plan.layout != ErofsLayout::kChunkBased) return plan.first_block;
  return plan.chunkbits | (inode.extents.empty() ? 0 : ondisk::kErofsChunkIndexes);
}

std::uint16_t encode_format(const InodePlan& plan) {
  const unsigned layout = static_cast<unsigned>(plan.layout) << ondisk::kErofsLayoutShift;
  return static_cast<std::uint16_t>(layout | (plan.is_compact ? 0 : ondisk::kErofsInodeExtended));
}

std::uint16_t encode_icount(std::uint32_t xattr_size) {
  if (xattr_size == 0) return 0;
  constexpr std::uint32_t kHeader = sizeof(ondisk::ErofsXattrIbodyHeader);
  return static_cast<std::uint16_t>((xattr_size - kHeader) / 4 + 1);
}

template <class T>
util::Buffer to_buffer(const T& object) {
  const util::Bytes bytes = util::object_bytes(object);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::uint32_t encode_rdev(std::uint32_t major, std::uint32_t minor) {
  return (minor & 0xFF) | (major << 8) | ((minor & ~std::uint32_t{0xFF}) << 12);
}
std::uint32_t decode_rdev_major(std::uint32_t rdev) {
  return (rdev >> 8) & 0xFFF;
}
std::uint32_t decode_rdev_minor(std::uint32_t rdev) {
  return (rdev & 0xFF) | ((rdev >> 12) & 0xFFF00);
}

std::uint16_t encode_mode(FileType type, std::uint16_t permissions) {
  return static_cast<std::uint16_t>(type_bits(type) | permissions);
}

util::Buffer encode_inode(const tree::Inode& inode, const InodePlan& plan, std::uint32_t xattr_size,
                          std::uint32_t ino) {
  const std::uint16_t mode = encode_mode(inode.type, inode.permissions);
  if (plan.is_compact) {
    ondisk::ErofsInodeCompact out{};
    out.i_format = encode_format(plan);
    out.i_xattr_icount = encode_icount(xattr_size);
    out.i_mode = mode;
    out.i_nlink = util::narrow<std::uint16_t>(inode.nlink);
    out.i_size = util::narrow<std::uint32_t>(plan.size);
    out.i_u = encode_i_u(inode, plan);
    out.i_ino = ino;
    out.i_uid = util::narrow<std::uint16_t>(inode.uid);
    out.i_gid = util::narrow<std::uint16_t>(inode.gid);
    return to_buffer(out);
  }
  ondisk::ErofsInodeExtended out{};
  out.i_format = encode_format(plan);
  out.i_xattr_icount = encode_icount(xattr_size);
  out.i_mode = mode;
  out.i_size = plan.size;
  out.i_u = encode_i_u(inode, plan);
  out.i_ino = ino;
  out.i_uid = inode.uid;
  out.i_gid = inode.gid;
  out.i_mtime = static_cast<std::uint64_t>(inode.mtime.sec);
  out.i_mtime_nsec = inode.mtime.nsec;
  out.i_nlink = inode.nlink;
  return to_buffer(out);
}

ondisk::ErofsSuperBlock encode_superblock(const Layout& layout, const BootstrapOptions& options) {
  ondisk::ErofsSuperBlock out{};
  out.magic = ondisk::kErofsMagic;
  out.feature_compat = ondisk::kErofsCompatSbChksum | ondisk::kErofsCompatMtime |
                       (layout.xattrs.empty() ? 0 : ondisk::kErofsCompatXattrFilter);
  out.blkszbits = chunk::kBlockBits;
  out.rootnid_2b = util::narrow<std::uint16_t>(layout.nid(tree::kRootInode));
  out.inos = layout.by_offset.size();
  out.epoch = static_cast<std::uint64_t>(layout.epoch.sec);
  out.fixed_nsec = layout.epoch.nsec;
  out.blocks_lo = layout.nblocks;
  out.meta_blkaddr = layout.meta_block;
  out.xattr_blkaddr = util::narrow<std::uint32_t>(layout.shared_offset / chunk::kBlockSize);
  if (options.uuid) out.uuid = *options.uuid;
  out.feature_incompat = (layout.has_chunks ? ondisk::kErofsIncompatChunkedFile : 0) |
                         (options.devices.empty() ? 0 : ondisk::kErofsIncompatDeviceTable);
  out.extra_devices = util::narrow<std::uint16_t>(options.devices.size());
  if (!options.devices.empty())
    out.devt_slotoff = static_cast<std::uint16_t>((ondisk::kErofsSuperOffset + sizeof out) /
                                                  sizeof(ondisk::ErofsDeviceSlot));
  return out;
}

ondisk::ErofsDeviceSlot encode_device_slot(const BlobDevice& device, std::uint32_t uniaddr) {
  ondisk::ErofsDeviceSlot out{};
  if (device.tag.size() > out.tag.size())
    throw util::Error(util::ErrorCode::kTooLarge, "device slot: write: tag is over 64 bytes");
  std::copy(device.tag.begin(), device.tag.end(), out.tag.begin());
  out.blocks_lo = device.nblocks;
  out.uniaddr_lo = uniaddr;
  return out;
}

std::uint32_t superblock_checksum(util::Bytes first_block) {
  ondisk::ErofsSuperBlock super;
  ASSERT(first_block.size() >= ondisk::kErofsSuperOffset + sizeof super);
  const util::Bytes covered = first_block.subspan(ondisk::kErofsSuperOffset);
  std::memcpy(&super, covered.data(), sizeof super);
  super.checksum = 0;
  const std::uint32_t crc = crc32c(0xFFFFFFFF, util::object_bytes(super));
  return crc32c(crc, covered.subspan(sizeof super));
}

}  // namespace ondemand::erofs
