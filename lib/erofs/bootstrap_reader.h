// SPDX-License-Identifier: Apache-2.0
//
// Reads an EROFS image, ours or foreign, from memory.  Every length and address is checked before
// it is used; nothing loops or allocates more than in proportion to the image.  Block sizes 512 to
// 4096; layouts FLAT_PLAIN, FLAT_INLINE and CHUNK_BASED.  The 48BIT and METABOX features,
// compressed inodes and long xattr prefixes are refused with kUnsupported, the last two when they
// are met.
//
// Thread: const members from any thread.  Throws kCorrupt unless said otherwise.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/erofs_ondisk.h"
#include "tree/node.h"
#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::erofs {

struct DeviceInfo {
  std::string tag;  // up to the first NUL
  std::uint64_t nblocks = 0;
  std::uint64_t uniaddr = 0;  // in the unified address space; 0 = not in it.  Unit: blocks
};

struct InodeInfo {
  util::Nid nid;
  tree::FileType type = tree::FileType::kRegular;
  std::uint16_t permissions = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t nlink = 0;
  util::Timestamp mtime;
  std::uint64_t size = 0;  // Unit: bytes
  std::uint32_t rdev_major = 0;
  std::uint32_t rdev_minor = 0;
  ondisk::ErofsLayout layout = ondisk::ErofsLayout::kFlatPlain;
  bool is_compact = false;
  bool is_dot_omitted = false;
  std::uint32_t ino = 0;
  std::uint32_t i_u = 0;         // start block or chunk format
  std::uint64_t offset = 0;      // of the inode in the image.  Unit: bytes
  std::uint32_t inode_size = 0;  // 32 or 64
  std::uint32_t xattr_size = 0;  // of the region behind it.  Unit: bytes
  std::uint64_t end() const { return offset + inode_size + xattr_size; }
};

struct DirEntry {
  std::string_view name;  // borrows the image
  util::Nid nid;
  std::uint8_t file_type = 0;  // as stored
};

enum class ExtentKind : std::uint8_t { kHole, kBlocks, kInline };

struct FileExtent {
  util::ByteRange file;
  ExtentKind kind = ExtentKind::kHole;
  util::DeviceId device;      // kBlocks: 0 = this image
  std::uint64_t address = 0;  // kBlocks: byte on the device; kInline: byte in this image
  auto operator<=>(const FileExtent&) const = default;
};

struct XattrView {
  std::string_view prefix;  // "user."
  std::string_view suffix;  // borrows the image
  util::Bytes value;        // borrows the image
};

class BootstrapReader {
 public:
  // Borrows `image`; `name` is for messages.  Throws kCorrupt or kUnsupported.
  BootstrapReader(util::Bytes image, std::string name);
  // Calls it for every few MiB of chunk entries read, by whichever thread: sparse files have GiBs.
  void on_entries_read(std::function<void()> call);

  const ondisk::ErofsSuperBlock& superblock() const { return super_; }
  const std::string& name() const { return name_; }
  std::uint32_t block_size() const { return std::uint32_t{1} << super_.blkszbits; }
  std::uint64_t image_size() const { return image_.size(); }
  const std::vector<DeviceInfo>& devices() const { return devices_; }
  util::Nid root() const { return {super_.rootnid_2b}; }
  // True also when the image has none.
  bool is_checksum_right() const;

  InodeInfo inode(util::Nid nid) const;
  // Entries in stored order, "." and ".." among them, until `visit` returns false.
  void read_dir(const InodeInfo& directory,
                const std::function<bool(const DirEntry&)>& visit) const;
  // "" and "/" are the root; "." and ".." are taken as stored, symbolic links are not followed.
  // nullopt when the path does not exist.
  std::optional<util::Nid> lookup(std::string_view path) const;
  std::string symlink_target(const InodeInfo& symlink) const;
  void for_each_xattr(const InodeInfo& inode,
                      const std::function<void(const XattrView&)>& visit) const;
  // Sorted by name.
  tree::XattrSet xattrs(const InodeInfo& inode) const;

  // What lies at `offset` < inode.size, to the end of the chunk or run that holds it.  Addresses
  // are not compared with the size of a device (bootstrap_check does).
  FileExtent map(const InodeInfo& inode, std::uint64_t offset) const;
  // The whole file in order, neighbours merged where the address continues.
  void for_each_extent(const InodeInfo& inode,
                       const std::function<void(const FileExtent&)>& visit) const;
  std::vector<FileExtent> extents(const InodeInfo& inode) const;
  // Bytes that the chunk entries of an inode take, checked to be inside the image; 0 for other
  // layouts.
  std::uint64_t chunk_array_size(const InodeInfo& inode) const;
  // The bytes of an extent that lies in this image.
  util::Bytes bytes_of(const FileExtent& extent) const;

 private:
  template <class T>
  T read_at(std::uint64_t offset, std::string_view what) const {
    T value;
    std::memcpy(&value, bytes_at(offset, sizeof value, what).data(), sizeof value);
    return value;
  }
  util::Bytes bytes_at(std::uint64_t offset, std::uint64_t len, std::string_view what) const;
  [[noreturn]] void corrupt(std::string_view what, std::string_view reason) const;
  [[noreturn]] void unsupported(std::string_view what, std::string_view reason) const;
  void check_features() const;
  std::uint64_t checksum_end() const;
  void read_devices();
  FileExtent map_flat(const InodeInfo& inode, std::uint64_t offset) const;
  FileExtent map_chunk(const InodeInfo& inode, std::uint64_t offset) const;
  void resolve(FileExtent& extent, std::uint64_t block) const;
  bool read_dir_block(util::Bytes block, const std::function<bool(const DirEntry&)>& visit) const;
  std::uint64_t visit_xattr(std::uint64_t offset, std::uint64_t limit,
                            const std::function<void(const XattrView&)>& visit) const;

  util::Bytes image_;
  std::string name_;
  ondisk::ErofsSuperBlock super_{};
  std::vector<DeviceInfo> devices_;
  struct Progress;
  std::shared_ptr<Progress> progress_;     // of on_entries_read()
  std::vector<std::uint16_t> by_uniaddr_;  // positions in devices_, of those that have one
};

}  // namespace ondemand::erofs
