// SPDX-License-Identifier: Apache-2.0
#include "view/metadata_overlap.h"

#include <algorithm>

#include "util/align.h"
#include "util/text.h"

namespace ondemand::view {

namespace {

using erofs::InodeInfo;

// What claims a place: a number below the number of directories, then of files, or one of these.
constexpr std::uint32_t kSuperblock = 0xFFFFFFFF;
constexpr std::uint32_t kDeviceTable = 0xFFFFFFFE;

struct Place {
  util::ByteRange range;
  std::uint32_t owner = 0;
};

class Places {
 public:
  Places(const erofs::BootstrapReader& reader, const TreeList& list)
      : reader_(reader), list_(list) {
    const auto& super = reader.superblock();
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
    Place last;
    for (const Place& place : places_) {
      if (place.range.offset < last.range.end() && found.size() < limit)
        found.push_back(util::concat("metadata at 0x", util::to_hex(place.range.offset),
                                     " belongs to both ", name_of(last.owner), " and ",
                                     name_of(place.owner)));
      if (place.range.end() > last.range.end()) last = place;
    }
    return found;
  }

 private:
  void add(util::ByteRange range, std::uint32_t owner) {
    if (!range.empty()) places_.push_back({range, owner});
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
};

}  // namespace

std::vector<std::string> find_overlaps(const erofs::BootstrapReader& bootstrap,
                                       const TreeList& list, std::size_t limit) {
  return Places(bootstrap, list).overlaps(limit);
}

}  // namespace ondemand::view
