// SPDX-License-Identifier: Apache-2.0
#include "view/metadata_overlap.h"

#include <algorithm>
#include <unordered_set>

#include "util/align.h"
#include "util/text.h"

namespace ondemand::view {

namespace {

using erofs::InodeInfo;

// What claims a place: a number below the number of directories, then of files, or one of these.
constexpr std::uint32_t kSuperblock = 0xFFFFFFFF;
constexpr std::uint32_t kDeviceTable = 0xFFFFFFFE;

// Inodes may share these with each other, not with anything else.
enum Kind : std::uint8_t { kMetadata, kSharedXattr, kData, kKinds };

struct Place {
  util::ByteRange range;
  std::uint32_t owner = 0;
  Kind kind = kMetadata;
};

class Places {
 public:
  Places(const erofs::BootstrapReader& reader, const TreeList& list)
      : reader_(reader), list_(list) {
    const auto& super = reader.superblock();
    places_.reserve(2 * list.directories.size() + list.files.size() + 2);
    add({ondisk::kErofsSuperOffset, sizeof super}, kSuperblock);
    const std::uint64_t slots = reader.devices().size();
    if (slots > 0)
      add({std::uint64_t{super.devt_slotoff} * sizeof(ondisk::ErofsDeviceSlot),
           slots * sizeof(ondisk::ErofsDeviceSlot)},
          kDeviceTable);
    std::uint32_t owner = 0;
    for (const ListedName& name : list.directories)
      add_inode(reader.inode(name.nid), owner++);
    for (const ListedName& name : list.files)
      add_inode(reader.inode(name.nid), owner++);
  }

  std::vector<std::string> overlaps(std::size_t limit) {
    std::sort(places_.begin(), places_.end(),
              [](const Place& a, const Place& b) { return a.range.offset < b.range.offset; });
    std::vector<std::string> found;
    Place last[kKinds];  // of each kind, the one that ends last
    for (const Place& place : places_) {
      for (const Place& other : last) {
        if (place.range.offset >= other.range.end() || found.size() >= limit) continue;
        if (place.kind != kMetadata && place.kind == other.kind) continue;
        found.push_back(util::concat("metadata at 0x", util::to_hex(place.range.offset),
                                     " belongs to both ", name_of(other), " and ", name_of(place)));
      }
      Place& same = last[place.kind];
      if (place.range.end() > same.range.end()) same = place;
    }
    return found;
  }

 private:
  void add(util::ByteRange range, std::uint32_t owner, Kind kind = kMetadata) {
    if (!range.empty()) places_.push_back({range, owner, kind});
  }

  void add_shared_xattrs(const InodeInfo& inode, std::uint32_t owner) {
    if (inode.xattr_size == 0) return;
    const erofs::FileExtent first{{0, 1}, erofs::ExtentKind::kInline, {}, 0};
    const std::uint8_t* const image = reader_.bytes_of(first).data();
    reader_.for_each_xattr(inode, [&](const erofs::XattrView& xattr) {
      // Behind its header lie its name and, next to it, its value.
      const auto end = static_cast<std::uint64_t>(xattr.value.data() - image) + xattr.value.size();
      const std::uint64_t len =
          sizeof(ondisk::ErofsXattrEntry) + xattr.suffix.size() + xattr.value.size();
      const util::ByteRange range{end - len, len};
      if (range.offset >= inode.offset && range.offset < inode.end()) return;
      if (shared_.insert(range.offset).second) add(range, owner, kSharedXattr);
    });
  }

  // Data is in the bootstrap where another builder wrote it there; files may share it.
  void add_data(const InodeInfo& inode, std::uint32_t owner) {
    if (inode.type != tree::FileType::kRegular) return;
    reader_.for_each_extent(inode, [&](const erofs::FileExtent& extent) {
      if (extent.kind == erofs::ExtentKind::kBlocks && extent.device.value == 0)
        add({extent.address, extent.file.len}, owner, kData);
    });
  }

  void add_inode(const InodeInfo& inode, std::uint32_t owner) {
    util::ByteRange record{inode.offset, inode.end() - inode.offset};
    if (const std::uint64_t entries = reader_.chunk_array_size(inode); entries > 0) {
      const std::uint64_t size = (inode.i_u & ondisk::kErofsChunkIndexes) != 0 ? 8 : 4;
      record.len = util::round_up(inode.end(), size) + entries - inode.offset;
    }
    const bool has_blocks =
        inode.type == tree::FileType::kDirectory || inode.type == tree::FileType::kSymlink;
    if (has_blocks || inode.layout == ondisk::ErofsLayout::kFlatInline) {
      for (std::uint64_t at = 0; at < inode.size;) {
        const erofs::FileExtent extent = reader_.map(inode, at);
        at = extent.file.end();
        if (extent.kind == erofs::ExtentKind::kInline)
          record.len = extent.address + extent.file.len - inode.offset;
        else if (has_blocks && extent.kind == erofs::ExtentKind::kBlocks &&
                 extent.device.value == 0)
          add({extent.address, extent.file.len}, owner);
      }
    }
    add(record, owner);
    add_shared_xattrs(inode, owner);
    add_data(inode, owner);
  }

  std::string name_of(const Place& place) const {
    if (place.kind == kSharedXattr) return "the shared xattrs of " + name_of(place.owner);
    if (place.kind == kData) return "the data of " + name_of(place.owner);
    return name_of(place.owner);
  }

  std::string name_of(std::uint32_t owner) const {
    if (owner == kSuperblock) return "the superblock";
    if (owner == kDeviceTable) return "the device table";
    const std::size_t ndirectories = list_.directories.size();
    const std::string path = owner < ndirectories
                                 ? list_.directory_path(owner)
                                 : list_.path_of(list_.files[owner - ndirectories]);
    return util::concat("/", util::printable(path));
  }

  const erofs::BootstrapReader& reader_;
  const TreeList& list_;
  std::vector<Place> places_;
  std::unordered_set<std::uint64_t> shared_;  // where entries of shared xattrs begin
};

}  // namespace

std::vector<std::string> find_overlaps(const erofs::BootstrapReader& bootstrap,
                                       const TreeList& list, std::size_t limit) {
  return Places(bootstrap, list).overlaps(limit);
}

}  // namespace ondemand::view
