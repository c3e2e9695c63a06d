// SPDX-License-Identifier: Apache-2.0
#include "erofs/describe.h"

#include <array>
#include <concepts>
#include <utility>

#include "erofs/inode_walk.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using ondisk::ErofsLayout;
using tree::FileType;

class FieldList {
 public:
  template <std::integral T>
  void number(std::string_view name, T value) {
    fields.push_back({std::string(name), util::concat(value), true});
  }
  void text(std::string_view name, std::string value) {
    fields.push_back({std::string(name), std::move(value), false});
  }
  void hex(std::string_view name, std::uint64_t value) { text(name, "0x" + util::to_hex(value)); }

  Fields fields;
};

using BitName = std::pair<std::uint32_t, std::string_view>;

constexpr std::array<BitName, 6> kCompatNames{{{0x01, "SB_CHKSUM"},
                                               {0x02, "MTIME"},
                                               {0x04, "XATTR_FILTER"},
                                               {0x08, "SHARED_EA_IN_METABOX"},
                                               {0x10, "PLAIN_XATTR_PFX"},
                                               {0x20, "ISHARE_XATTRS"}}};
constexpr std::array<BitName, 9> kIncompatNames{{{0x001, "ZERO_PADDING"},
                                                 {0x002, "COMPR_CFGS"},
                                                 {0x004, "CHUNKED_FILE"},
                                                 {0x008, "DEVICE_TABLE"},
                                                 {0x010, "ZTAILPACKING"},
                                                 {0x020, "FRAGMENTS"},
                                                 {0x040, "XATTR_PREFIXES"},
                                                 {0x080, "48BIT"},
                                                 {0x100, "METABOX"}}};

template <std::size_t N>
std::string bit_names(std::uint32_t bits, const std::array<BitName, N>& names) {
  std::string text;
  for (const BitName& name : names) {
    if ((bits & name.first) == 0) continue;
    if (!text.empty()) text += ' ';
    text += name.second;
    bits &= ~name.first;
  }
  if (bits != 0) text += util::concat(text.empty() ? "" : " ", "0x", util::to_hex(bits));
  return text;
}

std::string uuid_text(util::Bytes uuid) {
  std::string text = util::to_hex(uuid);
  for (const std::size_t at : {8u, 13u, 18u, 23u})
    text.insert(at, "-");
  return text;
}

std::string until_nul(util::Bytes bytes) {
  const std::string_view text = util::as_text(bytes);
  return std::string(text.substr(0, text.find('\0')));
}

}  // namespace

std::string_view to_string(FileType type) {
  switch (type) {
    case FileType::kRegular:
      return "regular";
    case FileType::kDirectory:
      return "directory";
    case FileType::kSymlink:
      return "symlink";
    case FileType::kCharDevice:
      return "char-device";
    case FileType::kBlockDevice:
      return "block-device";
    case FileType::kFifo:
      return "fifo";
    case FileType::kSocket:
      return "socket";
  }
  return "unknown";
}

std::string_view to_string(ErofsLayout layout) {
  switch (layout) {
    case ErofsLayout::kFlatPlain:
      return "flat-plain";
    case ErofsLayout::kCompressedFull:
      return "compressed-full";
    case ErofsLayout::kFlatInline:
      return "flat-inline";
    case ErofsLayout::kCompressedCompact:
      return "compressed-compact";
    case ErofsLayout::kChunkBased:
      return "chunk-based";
  }
  return "unknown";
}

std::string_view to_string(ExtentKind kind) {
  switch (kind) {
    case ExtentKind::kHole:
      return "hole";
    case ExtentKind::kBlocks:
      return "blocks";
    case ExtentKind::kInline:
      return "inline";
  }
  return "unknown";
}

Fields describe_superblock(const BootstrapReader& reader) {
  const ondisk::ErofsSuperBlock& super = reader.superblock();
  FieldList out;
  out.hex("magic", std::uint32_t{super.magic});
  out.hex("checksum", std::uint32_t{super.checksum});
  out.text("checksum_state", reader.is_checksum_right() ? "right" : "wrong");
  out.hex("feature_compat", std::uint32_t{super.feature_compat});
  out.text("feature_compat_names", bit_names(super.feature_compat, kCompatNames));
  out.number("blkszbits", super.blkszbits);
  out.number("sb_extslots", super.sb_extslots);
  out.number("rootnid_2b", std::uint16_t{super.rootnid_2b});
  out.number("inos", std::uint64_t{super.inos});
  out.number("epoch", static_cast<std::int64_t>(std::uint64_t{super.epoch}));
  out.number("fixed_nsec", std::uint32_t{super.fixed_nsec});
  out.number("blocks_lo", std::uint32_t{super.blocks_lo});
  out.number("meta_blkaddr", std::uint32_t{super.meta_blkaddr});
  out.number("xattr_blkaddr", std::uint32_t{super.xattr_blkaddr});
  out.text("uuid", uuid_text(super.uuid));
  out.text("volume_name", until_nul(super.volume_name));
  out.hex("feature_incompat", std::uint32_t{super.feature_incompat});
  out.text("feature_incompat_names", bit_names(super.feature_incompat, kIncompatNames));
  out.number("available_compr_algs", std::uint16_t{super.available_compr_algs});
  out.number("extra_devices", std::uint16_t{super.extra_devices});
  out.number("devt_slotoff", std::uint16_t{super.devt_slotoff});
  out.number("dirblkbits", super.dirblkbits);
  out.number("xattr_prefix_count", super.xattr_prefix_count);
  out.number("xattr_prefix_start", std::uint32_t{super.xattr_prefix_start});
  out.number("packed_nid", std::uint64_t{super.packed_nid});
  out.number("xattr_filter_reserved", super.xattr_filter_reserved);
  out.number("ishare_xattr_prefix_id", super.ishare_xattr_prefix_id);
  out.number("build_time", std::uint32_t{super.build_time});
  out.number("rootnid_8b", std::uint64_t{super.rootnid_8b});
  return std::move(out.fields);
}

Fields describe_device(const BootstrapReader& reader, std::size_t index) {
  const DeviceInfo& device = reader.devices().at(index);
  FieldList out;
  out.number("device_id", index + 1);
  out.text("tag", device.tag);
  out.number("blocks_lo", device.nblocks);
  out.number("uniaddr_lo", device.uniaddr);
  return std::move(out.fields);
}

Fields describe_summary(const BootstrapReader& reader) {
  std::array<std::uint64_t, 7> types{};
  std::array<std::uint64_t, 5> layouts{};
  std::uint64_t inodes = 0;
  std::uint64_t compact = 0;
  std::uint64_t with_xattrs = 0;
  std::uint64_t chunk_bytes = 0;
  std::uint64_t file_bytes = 0;
  for_each_inode(reader, [&](const InodeInfo& inode) {
    ++inodes;
    ++types[static_cast<std::size_t>(inode.type)];
    ++layouts[static_cast<std::size_t>(inode.layout)];
    if (inode.is_compact) ++compact;
    if (inode.xattr_size != 0) ++with_xattrs;
    if (inode.type != FileType::kRegular) return;
    file_bytes += inode.size;
    chunk_bytes += reader.chunk_array_size(inode);
  });
  FieldList out;
  out.number("image_bytes", reader.image_size());
  out.number("block_size", reader.block_size());
  out.number("devices", reader.devices().size());
  out.number("inodes", inodes);
  for (std::size_t i = 0; i < types.size(); ++i)
    out.number(util::concat("inodes_", to_string(static_cast<FileType>(i))), types[i]);
  for (std::size_t i = 0; i < layouts.size(); ++i)
    out.number(util::concat("inodes_", to_string(static_cast<ErofsLayout>(i))), layouts[i]);
  out.number("inodes_compact", compact);
  out.number("inodes_with_xattrs", with_xattrs);
  out.number("chunk_entry_bytes", chunk_bytes);
  out.number("file_bytes", file_bytes);
  return std::move(out.fields);
}

Fields describe_inode(const BootstrapReader& reader, const InodeInfo& inode) {
  FieldList out;
  out.number("nid", inode.nid.value);
  out.number("offset", inode.offset);
  out.text("type", std::string(to_string(inode.type)));
  out.text("layout", std::string(to_string(inode.layout)));
  out.number("inode_size", inode.inode_size);
  out.number("xattr_size", inode.xattr_size);
  std::string mode = "0000";
  for (unsigned i = 0; i < 4; ++i)
    mode[3 - i] = static_cast<char>('0' + ((inode.permissions >> (3 * i)) & 7));
  out.text("permissions", mode);
  out.number("i_nlink", inode.nlink);
  out.number("i_size", inode.size);
  out.number("i_uid", inode.uid);
  out.number("i_gid", inode.gid);
  out.number("i_mtime", inode.mtime.sec);
  out.number("i_mtime_nsec", inode.mtime.nsec);
  out.number("i_ino", inode.ino);
  out.hex("i_u", inode.i_u);
  if (inode.type == FileType::kCharDevice || inode.type == FileType::kBlockDevice)
    out.text("rdev", util::concat(inode.rdev_major, ":", inode.rdev_minor));
  if (inode.layout == ErofsLayout::kChunkBased)
    out.number("chunk_size",
               std::uint64_t{reader.block_size()} << (inode.i_u & ondisk::kErofsChunkBitsMask));
  if (inode.type == FileType::kSymlink) out.text("target", reader.symlink_target(inode));
  reader.for_each_xattr(inode, [&](const XattrView& view) {
    out.number(util::concat("xattr_bytes ", view.prefix, view.suffix), view.value.size());
  });
  return std::move(out.fields);
}

std::vector<Fields> describe_extents(const BootstrapReader& reader, const InodeInfo& inode) {
  std::vector<Fields> all;
  reader.for_each_extent(inode, [&](const FileExtent& extent) {
    FieldList out;
    out.number("offset", extent.file.offset);
    out.number("len", extent.file.len);
    out.text("kind", std::string(to_string(extent.kind)));
    if (extent.kind != ExtentKind::kHole) {
      out.number("device_id", extent.device.value);
      out.number("address", extent.address);
    }
    all.push_back(std::move(out.fields));
  });
  return all;
}

}  // namespace ondemand::erofs
