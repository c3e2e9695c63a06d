// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as an EROFS image, walked as the commands over whole images do: its names (ls, diff,
// export), places that overlap (check), the order and the holes of its data (export).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "erofs/bootstrap_check.h"
#include "erofs/bootstrap_reader.h"
#include "util/error.h"
#include "view/export_tar.h"
#include "view/file_order.h"
#include "view/metadata_overlap.h"
#include "view/tree_list.h"

using namespace ondemand;

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

// No mutation keeps a checksum: it is switched off.
util::Buffer without_checksum(const std::uint8_t* data, std::size_t size) {
  util::Buffer image(data, data + size);
  constexpr std::size_t kFlags =
      ondisk::kErofsSuperOffset + offsetof(ondisk::ErofsSuperBlock, feature_compat);
  util::Le32 flags{};
  if (image.size() < kFlags + sizeof flags) return image;
  std::memcpy(&flags, image.data() + kFlags, sizeof flags);
  flags = flags & ~ondisk::kErofsCompatSbChksum;
  std::memcpy(image.data() + kFlags, &flags, sizeof flags);
  return image;
}

void check_list(const view::TreeList& list) {
  for (std::size_t i = 0; i < list.directories.size(); ++i)
    require(list.directories[i].parent < std::max<std::size_t>(i, 1));  // so that paths end
  for (const view::ListedName& file : list.files)
    require(file.parent < list.directories.size());
  for (const view::ListedLink& link : list.links)
    require(link.name.parent < list.directories.size() && link.target < list.files.size());
  const auto path_lengths = [&list](std::size_t i) { return list.path_of(list.files[i]).size(); };
  if (!list.files.empty()) require(path_lengths(0) + path_lengths(list.files.size() - 1) > 0);
}

void check_order(const erofs::BootstrapReader& reader, const std::vector<util::Nid>& files) {
  std::vector<std::uint32_t> order = view::data_order(reader, files);
  std::sort(order.begin(), order.end());
  require(std::adjacent_find(order.begin(), order.end()) == order.end());
  require(order.empty() || order.back() < files.size());
}

void check_pieces(const erofs::BootstrapReader& reader, const erofs::InodeInfo& inode) {
  const std::vector<util::ByteRange> pieces = view::sparse_pieces(reader, inode);
  std::uint64_t end = 0;
  for (const util::ByteRange& piece : pieces) {
    require(!piece.empty() && piece.offset >= end && piece.len <= inode.size - piece.offset);
    end = piece.end();
  }
  reader.for_each_extent(inode, [&](const erofs::FileExtent& extent) {
    if (extent.kind == erofs::ExtentKind::kHole) return;
    const auto behind = std::upper_bound(
        pieces.begin(), pieces.end(), extent.file.offset,
        [](std::uint64_t offset, const util::ByteRange& piece) { return offset < piece.offset; });
    require(behind != pieces.begin() && extent.file.end() <= std::prev(behind)->end());
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const util::Buffer image = without_checksum(data, size);
    const erofs::BootstrapReader reader(image, "image");
    const bool is_clean = erofs::check_bootstrap(reader).is_clean();
    view::TreeList list;
    try {
      list = view::list_tree(reader);
    } catch (const util::Error&) {
      require(!is_clean);
      return 0;
    }
    check_list(list);
    // The commands go on with clean ones only; here the others are worth a look as well.
    view::find_overlaps(reader, list, 10);
    std::vector<util::Nid> files;
    for (const view::ListedName& file : list.files)
      files.push_back(file.nid);
    check_order(reader, files);
    for (const util::Nid nid : files) {
      const erofs::InodeInfo inode = reader.inode(nid);
      if (inode.type == tree::FileType::kRegular) check_pieces(reader, inode);
    }
  } catch (const util::Error&) {
    // What a decoder says about bad bytes.
  }
  return 0;
}
