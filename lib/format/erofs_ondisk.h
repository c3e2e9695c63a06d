// SPDX-License-Identifier: Apache-2.0
//
// Every EROFS structure, bit and limit that we write or read, under the kernel's field names.
// Little endian, alignment 1.  Metadata (inodes, xattrs, entries) is addressed in bytes, file
// data in blocks; only the superblock has a fixed place.
// Source: Linux Documentation/filesystems/erofs.rst and the on-disk header of fs/erofs (6.1..7.3).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "util/endian.h"

namespace ondemand::ondisk {

using util::Le16;
using util::Le32;
using util::Le64;

inline constexpr std::uint32_t kErofsMagic = 0xE0F5E1E2;
inline constexpr std::size_t kErofsSuperOffset = 1024;
inline constexpr unsigned kErofsMinBlockBits = 9;
inline constexpr unsigned kErofsMaxBlockBits = 12;  // the page size of the kernels that we serve

// feature_compat: unknown bits may be ignored.
inline constexpr std::uint32_t kErofsCompatSbChksum = 0x01;
inline constexpr std::uint32_t kErofsCompatMtime = 0x02;
inline constexpr std::uint32_t kErofsCompatXattrFilter = 0x04;

// feature_incompat: unknown bits must be refused.
inline constexpr std::uint32_t kErofsIncompatZeroPadding = 0x001;
inline constexpr std::uint32_t kErofsIncompatComprCfgs = 0x002;
inline constexpr std::uint32_t kErofsIncompatChunkedFile = 0x004;  // Linux 5.15
inline constexpr std::uint32_t kErofsIncompatDeviceTable = 0x008;  // Linux 5.16
inline constexpr std::uint32_t kErofsIncompatZtailpacking = 0x010;
inline constexpr std::uint32_t kErofsIncompatFragments = 0x020;
inline constexpr std::uint32_t kErofsIncompatXattrPrefixes = 0x040;
inline constexpr std::uint32_t kErofsIncompat48Bit = 0x080;
inline constexpr std::uint32_t kErofsIncompatMetabox = 0x100;

struct ErofsSuperBlock {
  Le32 magic;
  Le32 checksum;  // CRC-32C from 1024 to the end of the first block, this field taken as 0
  Le32 feature_compat;
  std::uint8_t blkszbits;
  std::uint8_t sb_extslots;
  Le16 rootnid_2b;
  Le64 inos;
  Le64 epoch;  // signed seconds; compact inodes have this mtime
  Le32 fixed_nsec;
  Le32 blocks_lo;
  Le32 meta_blkaddr;
  Le32 xattr_blkaddr;
  std::array<std::uint8_t, 16> uuid;
  std::array<std::uint8_t, 16> volume_name;
  Le32 feature_incompat;
  Le16 available_compr_algs;
  Le16 extra_devices;
  Le16 devt_slotoff;  // Unit: 128 bytes
  std::uint8_t dirblkbits;
  std::uint8_t xattr_prefix_count;
  Le32 xattr_prefix_start;  // Unit: 4 bytes
  Le64 packed_nid;
  std::uint8_t xattr_filter_reserved;
  std::uint8_t ishare_xattr_prefix_id;
  std::array<std::uint8_t, 2> reserved;
  Le32 build_time;
  Le64 rootnid_8b;
  std::array<std::uint8_t, 8> reserved2;
};

struct ErofsDeviceSlot {
  std::array<std::uint8_t, 64> tag;
  Le32 blocks_lo;
  Le32 uniaddr_lo;
  Le16 blocks_hi;
  Le16 uniaddr_hi;
  std::array<std::uint8_t, 52> reserved;
};

// i_format: bit 0 version (0 compact, 1 extended), bits 1..3 data layout, bit 4 see below.
inline constexpr unsigned kErofsSlotSize = 32;  // nids count these
inline constexpr std::uint16_t kErofsInodeExtended = 0x01;
inline constexpr unsigned kErofsLayoutShift = 1;
inline constexpr std::uint16_t kErofsLayoutMask = 0x07;
inline constexpr std::uint16_t kErofsNlink1 = 0x10;       // compact non-directories, Linux 6.15
inline constexpr std::uint16_t kErofsDotOmitted = 0x10;   // directories, Linux 6.15
inline constexpr std::uint16_t kErofsFormatKnown = 0x1F;  // other bits must be zero

enum class ErofsLayout : std::uint8_t {  // values are on disk
  kFlatPlain = 0,
  kCompressedFull = 1,
  kFlatInline = 2,
  kCompressedCompact = 3,
  kChunkBased = 4,
};

struct ErofsInodeCompact {
  Le16 i_format;
  Le16 i_xattr_icount;
  Le16 i_mode;
  Le16 i_nlink;
  Le32 i_size;
  Le32 i_mtime;  // seconds after epoch, Linux 6.15; we write 0
  Le32 i_u;
  Le32 i_ino;
  Le16 i_uid;
  Le16 i_gid;
  Le32 i_reserved;
};

struct ErofsInodeExtended {
  Le16 i_format;
  Le16 i_xattr_icount;
  Le16 i_mode;
  Le16 i_nb;
  Le64 i_size;
  Le32 i_u;
  Le32 i_ino;
  Le32 i_uid;
  Le32 i_gid;
  Le64 i_mtime;  // signed seconds
  Le32 i_mtime_nsec;
  Le32 i_nlink;
  std::array<std::uint8_t, 16> i_reserved2;
};

// i_u of chunk-based inodes.
inline constexpr std::uint32_t kErofsChunkBitsMask = 0x1F;  // chunk size = block << these
inline constexpr std::uint32_t kErofsChunkIndexes = 0x20;   // 8-byte entries instead of 4-byte
inline constexpr std::uint32_t kErofsNullAddr = 0xFFFFFFFF;
inline constexpr unsigned kErofsMaxChunkBits = 31;

struct ErofsChunkIndex {
  Le16 startblk_hi;
  Le16 device_id;
  Le32 startblk_lo;
};

struct ErofsDirent {
  Le64 nid;
  Le16 nameoff;
  std::uint8_t file_type;
  std::uint8_t reserved;
};
inline constexpr std::size_t kErofsNameMax = 255;
enum class ErofsFileType : std::uint8_t {  // values are on disk
  kUnknown = 0,
  kRegular = 1,
  kDirectory = 2,
  kCharDevice = 3,
  kBlockDevice = 4,
  kFifo = 5,
  kSocket = 6,
  kSymlink = 7,
};

struct ErofsXattrIbodyHeader {
  Le32 h_name_filter;
  std::uint8_t h_shared_count;
  std::array<std::uint8_t, 7> h_reserved2;
};  // followed by h_shared_count Le32 ids, then entries

struct ErofsXattrEntry {
  std::uint8_t e_name_len;
  std::uint8_t e_name_index;
  Le16 e_value_size;
};  // followed by name suffix and value, padded to 4 bytes

inline constexpr std::uint8_t kErofsXattrUser = 1;
inline constexpr std::uint8_t kErofsXattrAclAccess = 2;
inline constexpr std::uint8_t kErofsXattrAclDefault = 3;
inline constexpr std::uint8_t kErofsXattrTrusted = 4;
inline constexpr std::uint8_t kErofsXattrSecurity = 6;
inline constexpr std::uint8_t kErofsXattrLongPrefix = 0x80;
inline constexpr std::uint32_t kErofsXattrFilterSeed = 0x25BBE08F;
inline constexpr std::size_t kErofsXattrValueMax = 65535;
inline constexpr std::size_t kErofsXattrSharedMax = 255;
inline constexpr std::uint32_t kErofsXattrRegionMax = 12 + 4 * (65535 - 1);

static_assert(sizeof(ErofsSuperBlock) == 128 && alignof(ErofsSuperBlock) == 1);
static_assert(offsetof(ErofsSuperBlock, blkszbits) == 12);
static_assert(offsetof(ErofsSuperBlock, rootnid_2b) == 14);
static_assert(offsetof(ErofsSuperBlock, inos) == 16);
static_assert(offsetof(ErofsSuperBlock, epoch) == 24);
static_assert(offsetof(ErofsSuperBlock, blocks_lo) == 36);
static_assert(offsetof(ErofsSuperBlock, meta_blkaddr) == 40);
static_assert(offsetof(ErofsSuperBlock, xattr_blkaddr) == 44);
static_assert(offsetof(ErofsSuperBlock, uuid) == 48);
static_assert(offsetof(ErofsSuperBlock, volume_name) == 64);
static_assert(offsetof(ErofsSuperBlock, feature_incompat) == 80);
static_assert(offsetof(ErofsSuperBlock, extra_devices) == 86);
static_assert(offsetof(ErofsSuperBlock, devt_slotoff) == 88);
static_assert(offsetof(ErofsSuperBlock, xattr_prefix_start) == 92);
static_assert(offsetof(ErofsSuperBlock, packed_nid) == 96);
static_assert(offsetof(ErofsSuperBlock, xattr_filter_reserved) == 104);
static_assert(offsetof(ErofsSuperBlock, build_time) == 108);
static_assert(offsetof(ErofsSuperBlock, rootnid_8b) == 112);
static_assert(sizeof(ErofsDeviceSlot) == 128 && alignof(ErofsDeviceSlot) == 1);
static_assert(offsetof(ErofsDeviceSlot, blocks_lo) == 64);
static_assert(offsetof(ErofsDeviceSlot, uniaddr_lo) == 68);
static_assert(offsetof(ErofsDeviceSlot, blocks_hi) == 72);
static_assert(sizeof(ErofsInodeCompact) == 32 && alignof(ErofsInodeCompact) == 1);
static_assert(offsetof(ErofsInodeCompact, i_size) == 8);
static_assert(offsetof(ErofsInodeCompact, i_u) == 16);
static_assert(offsetof(ErofsInodeCompact, i_uid) == 24);
static_assert(sizeof(ErofsInodeExtended) == 64 && alignof(ErofsInodeExtended) == 1);
static_assert(offsetof(ErofsInodeExtended, i_u) == 16);
static_assert(offsetof(ErofsInodeExtended, i_uid) == 24);
static_assert(offsetof(ErofsInodeExtended, i_mtime) == 32);
static_assert(offsetof(ErofsInodeExtended, i_nlink) == 44);
static_assert(sizeof(ErofsChunkIndex) == 8 && offsetof(ErofsChunkIndex, startblk_lo) == 4);
static_assert(sizeof(ErofsDirent) == 12 && offsetof(ErofsDirent, file_type) == 10);
static_assert(sizeof(ErofsXattrIbodyHeader) == 12);
static_assert(sizeof(ErofsXattrEntry) == 4);
static_assert(std::is_trivially_copyable_v<ErofsSuperBlock> &&
              std::is_trivially_copyable_v<ErofsDeviceSlot> &&
              std::is_trivially_copyable_v<ErofsInodeExtended>);

}  // namespace ondemand::ondisk
