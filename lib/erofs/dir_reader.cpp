// SPDX-License-Identifier: Apache-2.0
//
// BootstrapReader: directories and paths.
#include <algorithm>

#include "erofs/bootstrap_reader.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {

bool BootstrapReader::read_dir_block(util::Bytes block,
                                     const std::function<bool(const DirEntry&)>& visit) const {
  constexpr std::size_t kDirent = sizeof(ondisk::ErofsDirent);
  const auto dirent_at = [&](std::size_t i) {
    ondisk::ErofsDirent dirent;
    std::memcpy(&dirent, block.data() + i * kDirent, kDirent);
    return dirent;
  };
  if (block.size() < kDirent) corrupt("directory", "block is too small for an entry");
  // The first name begins where the entries end.
  const std::size_t names_begin = dirent_at(0).nameoff;
  if (names_begin < kDirent || names_begin % kDirent != 0 || names_begin > block.size())
    corrupt("directory", util::concat("first name at offset 0x", util::to_hex(names_begin)));
  const std::size_t count = names_begin / kDirent;
  for (std::size_t i = 0; i < count; ++i) {
    const ondisk::ErofsDirent dirent = dirent_at(i);
    const std::size_t begin = dirent.nameoff;
    const std::size_t end = i + 1 < count ? std::size_t{dirent_at(i + 1).nameoff} : block.size();
    if (begin < names_begin || end > block.size() || end < begin)
      corrupt("directory", util::concat("name at offset 0x", util::to_hex(begin)));
    DirEntry entry;
    entry.name = util::as_text(block.subspan(begin, end - begin));
    // Only the last name of a block may be shorter than its room; a NUL ends it then.
    if (i + 1 == count) entry.name = entry.name.substr(0, entry.name.find('\0'));
    entry.nid.value = dirent.nid;
    entry.file_type = dirent.file_type;
    if (!visit(entry)) return false;
  }
  return true;
}

void BootstrapReader::read_dir(const InodeInfo& directory,
                               const std::function<bool(const DirEntry&)>& visit) const {
  const std::string what = util::concat("directory ", directory.nid.value);
  if (directory.type != tree::FileType::kDirectory) corrupt(what, "not a directory");
  // All its blocks are in the image, each once: this also bounds the loop.
  if (directory.size > image_.size()) corrupt(what, "larger than the image");
  for (std::uint64_t at = 0; at < directory.size;) {
    FileExtent extent = map(directory, at);
    extent.file.len = std::min<std::uint64_t>({extent.file.len, block_size(), directory.size - at});
    if (!read_dir_block(bytes_of(extent), visit)) return;
    at += extent.file.len;
  }
}

std::optional<util::Nid> BootstrapReader::lookup(std::string_view path) const {
  util::Nid nid = root();
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty()) continue;
    const InodeInfo directory = inode(nid);
    if (directory.type != tree::FileType::kDirectory) return std::nullopt;
    bool is_found = false;
    read_dir(directory, [&](const DirEntry& entry) {
      if (entry.name != name) return true;
      is_found = true;
      nid = entry.nid;
      return false;
    });
    if (!is_found) return std::nullopt;
  }
  return nid;
}

}  // namespace ondemand::erofs
