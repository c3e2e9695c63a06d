// SPDX-License-Identifier: Apache-2.0
//
// BootstrapReader: inodes and where their data lies.
#include <sys/stat.h>

#include <algorithm>
#include <atomic>

#include "erofs/bootstrap_reader.h"
#include "erofs/inode_codec.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using ondisk::ErofsLayout;
using tree::FileType;

constexpr std::uint64_t kBytesBetweenCalls = 4 * util::kMiB;  // of chunk entries
constexpr std::uint64_t kFileSizeMax = 0x7FFFFFFFFFFFFFFF;    // Linux: MAX_LFS_FILESIZE

std::optional<FileType> decode_type(std::uint16_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::kRegular;
    case S_IFDIR:
      return FileType::kDirectory;
    case S_IFLNK:
      return FileType::kSymlink;
    case S_IFCHR:
      return FileType::kCharDevice;
    case S_IFBLK:
      return FileType::kBlockDevice;
    case S_IFIFO:
      return FileType::kFifo;
    case S_IFSOCK:
      return FileType::kSocket;
    default:
      return std::nullopt;
  }
}

bool has_data(FileType type) {
  return type == FileType::kRegular || type == FileType::kDirectory || type == FileType::kSymlink;
}

void decode_compact(const ondisk::ErofsInodeCompact& raw, const ondisk::ErofsSuperBlock& super,
                    InodeInfo& info) {
  const bool is_nlink1 =
      info.type != FileType::kDirectory && (raw.i_format & ondisk::kErofsNlink1) != 0;
  info.nlink = is_nlink1 ? std::uint16_t{1} : std::uint16_t{raw.i_nlink};
  info.size = raw.i_size;
  // Wraps as the kernel's sum does; our images have 0 here.
  info.mtime.sec = static_cast<std::int64_t>(std::uint64_t{super.epoch} + raw.i_mtime);
  info.mtime.nsec = super.fixed_nsec;
  info.i_u = raw.i_u;
  info.ino = raw.i_ino;
  info.uid = raw.i_uid;
  info.gid = raw.i_gid;
}

void decode_extended(const ondisk::ErofsInodeExtended& raw, InodeInfo& info) {
  info.nlink = raw.i_nlink;
  info.size = raw.i_size;
  info.mtime.sec = static_cast<std::int64_t>(std::uint64_t{raw.i_mtime});
  info.mtime.nsec = raw.i_mtime_nsec;
  info.i_u = raw.i_u;
  info.ino = raw.i_ino;
  info.uid = raw.i_uid;
  info.gid = raw.i_gid;
}

}  // namespace

struct BootstrapReader::Progress {
  std::function<void()> call;
  std::atomic<std::uint64_t> bytes{0};
  void add(std::uint64_t size) {
    if (bytes.fetch_add(size, std::memory_order_relaxed) + size < kBytesBetweenCalls) return;
    bytes.store(0, std::memory_order_relaxed);
    call();
  }
};

void BootstrapReader::on_entries_read(std::function<void()> call) {
  progress_ = std::make_shared<Progress>();
  progress_->call = std::move(call);
}

InodeInfo BootstrapReader::inode(util::Nid nid) const {
  const std::string what = util::concat("inode ", nid.value);
  if (nid.value > image_.size() / ondisk::kErofsSlotSize) corrupt(what, "outside of the image");
  InodeInfo info;
  info.nid = nid;
  info.offset =
      (std::uint64_t{super_.meta_blkaddr} << super_.blkszbits) + nid.value * ondisk::kErofsSlotSize;
  // The first fields are the same in both forms.
  const auto compact = read_at<ondisk::ErofsInodeCompact>(info.offset, what);
  const std::uint16_t format = compact.i_format;
  if ((format & ~ondisk::kErofsFormatKnown) != 0)
    corrupt(what, util::concat("i_format is 0x", util::to_hex(format)));
  const unsigned layout = (format >> ondisk::kErofsLayoutShift) & ondisk::kErofsLayoutMask;
  if (layout > static_cast<unsigned>(ErofsLayout::kChunkBased))
    corrupt(what, util::concat("data layout ", layout));
  info.layout = static_cast<ErofsLayout>(layout);
  const std::uint16_t mode = compact.i_mode;
  const auto type = decode_type(mode);
  if (!type) corrupt(what, util::concat("i_mode is 0x", util::to_hex(mode)));
  info.type = *type;
  info.permissions = mode & 07777;
  info.is_dot_omitted =
      info.type == FileType::kDirectory && (format & ondisk::kErofsDotOmitted) != 0;
  info.is_compact = (format & ondisk::kErofsInodeExtended) == 0;
  if (info.is_compact) {
    info.inode_size = sizeof(ondisk::ErofsInodeCompact);
    decode_compact(compact, super_, info);
  } else {
    info.inode_size = sizeof(ondisk::ErofsInodeExtended);
    decode_extended(read_at<ondisk::ErofsInodeExtended>(info.offset, what), info);
  }
  if (info.mtime.nsec > 999'999'999) corrupt(what, "more than nine digits of nanoseconds");
  if (info.size > kFileSizeMax) corrupt(what, "size is over 2^63 - 1");
  const std::uint32_t icount = compact.i_xattr_icount;
  if (icount != 0)
    info.xattr_size =
        static_cast<std::uint32_t>(sizeof(ondisk::ErofsXattrIbodyHeader)) + 4 * (icount - 1);
  if (info.type == FileType::kCharDevice || info.type == FileType::kBlockDevice) {
    info.rdev_major = decode_rdev_major(info.i_u);
    info.rdev_minor = decode_rdev_minor(info.i_u);
  }
  return info;
}

void BootstrapReader::resolve(FileExtent& extent, std::uint64_t block) const {
  extent.kind = ExtentKind::kBlocks;
  extent.device.value = 0;
  const auto after = std::upper_bound(
      by_uniaddr_.begin(), by_uniaddr_.end(), block,
      [this](std::uint64_t value, std::uint16_t i) { return value < devices_[i].uniaddr; });
  if (after != by_uniaddr_.begin()) {
    const std::uint16_t i = *(after - 1);
    if (block - devices_[i].uniaddr < devices_[i].nblocks) {
      extent.device.value = static_cast<std::uint16_t>(i + 1);
      block -= devices_[i].uniaddr;
    }
  }
  extent.address = block << super_.blkszbits;
}

FileExtent BootstrapReader::map_flat(const InodeInfo& inode, std::uint64_t offset) const {
  FileExtent extent;
  const bool is_inline = inode.layout == ErofsLayout::kFlatInline;
  const std::uint64_t tail = is_inline ? inode.size % block_size() : 0;
  const std::uint64_t in_blocks = inode.size - tail;
  if (offset >= in_blocks) {
    const std::uint64_t begin = inode.end() % block_size();
    if (begin + tail > block_size()) corrupt("inline data", "it crosses a block");
    extent.kind = ExtentKind::kInline;
    extent.file = {offset, inode.size - offset};
    extent.address = inode.end() + (offset - in_blocks);
    return extent;
  }
  extent.file = {offset, in_blocks - offset};
  if (inode.i_u == ondisk::kErofsNullAddr) return extent;
  const std::uint64_t in_block = offset % block_size();
  resolve(extent, std::uint64_t{inode.i_u} + (offset >> super_.blkszbits));
  extent.address += in_block;
  return extent;
}

std::uint64_t BootstrapReader::chunk_array_size(const InodeInfo& inode) const {
  if (inode.layout != ErofsLayout::kChunkBased || inode.size == 0) return 0;
  constexpr std::uint32_t kKnown = ondisk::kErofsChunkBitsMask | ondisk::kErofsChunkIndexes;
  if ((inode.i_u & 0xFFFF & ~kKnown) != 0)
    unsupported(util::concat("inode ", inode.nid.value),
                util::concat("chunk format 0x", util::to_hex(inode.i_u)));
  const unsigned bits = super_.blkszbits + (inode.i_u & ondisk::kErofsChunkBitsMask);
  const std::uint64_t entry = (inode.i_u & ondisk::kErofsChunkIndexes) != 0 ? 8 : 4;
  const std::uint64_t count = ((inode.size - 1) >> bits) + 1;
  if (count > image_.size() / entry)
    corrupt(util::concat("inode ", inode.nid.value), "more chunks than the image holds");
  bytes_at(util::round_up(inode.end(), entry), count * entry, "chunk entries");
  return count * entry;
}

FileExtent BootstrapReader::map_chunk(const InodeInfo& inode, std::uint64_t offset) const {
  const unsigned bits = super_.blkszbits + (inode.i_u & ondisk::kErofsChunkBitsMask);
  const std::uint64_t number = offset >> bits;
  const std::uint64_t in_chunk = offset - (number << bits);
  if (progress_) progress_->add(sizeof(ondisk::ErofsChunkIndex));
  FileExtent extent;
  extent.file = {offset, std::min((std::uint64_t{1} << bits) - in_chunk, inode.size - offset)};
  if ((inode.i_u & ondisk::kErofsChunkIndexes) == 0) {
    const std::uint64_t at = util::round_up(inode.end(), std::uint64_t{4}) + 4 * number;
    const std::uint32_t block = read_at<util::Le32>(at, "chunk entry");
    if (block == ondisk::kErofsNullAddr) return extent;
    resolve(extent, block);
  } else {
    const std::uint64_t at = util::round_up(inode.end(), std::uint64_t{8}) + 8 * number;
    const auto index = read_at<ondisk::ErofsChunkIndex>(at, "chunk entry");
    if (index.startblk_lo == ondisk::kErofsNullAddr) return extent;
    if (index.device_id > devices_.size())
      corrupt(util::concat("inode ", inode.nid.value),
              util::concat("no device ", std::uint16_t{index.device_id}));
    resolve(extent, index.startblk_lo);
    if (index.device_id != 0) {
      extent.device.value = index.device_id;
      extent.address = std::uint64_t{index.startblk_lo} << super_.blkszbits;
    }
  }
  extent.address += in_chunk;
  return extent;
}

FileExtent BootstrapReader::map(const InodeInfo& inode, std::uint64_t offset) const {
  if (!has_data(inode.type) || offset >= inode.size)
    corrupt(util::concat("inode ", inode.nid.value), "no data at this offset");
  switch (inode.layout) {
    case ErofsLayout::kFlatPlain:
    case ErofsLayout::kFlatInline:
      return map_flat(inode, offset);
    case ErofsLayout::kChunkBased:
      chunk_array_size(inode);
      return map_chunk(inode, offset);
    case ErofsLayout::kCompressedFull:
    case ErofsLayout::kCompressedCompact:
      break;
  }
  unsupported(util::concat("inode ", inode.nid.value), "its data is compressed by erofs");
}

void BootstrapReader::for_each_extent(const InodeInfo& inode,
                                      const std::function<void(const FileExtent&)>& visit) const {
  if (!has_data(inode.type) || inode.size == 0) return;
  FileExtent last = map(inode, 0);
  while (last.file.end() < inode.size) {
    const FileExtent next = map(inode, last.file.end());
    const bool continues =
        next.kind == last.kind && next.device == last.device &&
        (next.kind == ExtentKind::kHole || last.address + last.file.len == next.address);
    if (continues) {
      last.file.len += next.file.len;
    } else {
      visit(last);
      last = next;
    }
  }
  visit(last);
}

std::vector<FileExtent> BootstrapReader::extents(const InodeInfo& inode) const {
  std::vector<FileExtent> all;
  for_each_extent(inode, [&](const FileExtent& extent) { all.push_back(extent); });
  return all;
}

}  // namespace ondemand::erofs
