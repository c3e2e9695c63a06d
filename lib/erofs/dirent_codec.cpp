// SPDX-License-Identifier: Apache-2.0
#include "erofs/dirent_codec.h"

#include <cstring>
#include <utility>
#include <vector>

#include "chunk/extent.h"

namespace ondemand::erofs {
namespace {

using chunk::kBlockSize;

// Calls visit(name, inode) for all entries in the order of their names.
template <class Visit>
void for_each_name(const tree::Children& children, tree::InodeId self, tree::InodeId parent,
                   Visit visit) {
  constexpr std::string_view kDot = ".";
  constexpr std::string_view kDotDot = "..";
  int dots = 0;  // how many of the two have been given
  for (const auto& child : children) {
    if (dots == 0 && child.first.compare(kDot) > 0) {
      visit(kDot, self);
      dots = 1;
    }
    if (dots == 1 && child.first.compare(kDotDot) > 0) {
      visit(kDotDot, parent);
      dots = 2;
    }
    visit(std::string_view(child.first), child.second);
  }
  if (dots == 0) visit(kDot, self);
  if (dots <= 1) visit(kDotDot, parent);
}

// Fills blocks greedily; the one rule that size and encoding share.
struct BlockFill {
  std::uint32_t used = 0;  // Unit: bytes
  static std::uint32_t cost(std::string_view name) {
    return static_cast<std::uint32_t>(sizeof(ondisk::ErofsDirent) + name.size());
  }
  bool has_room(std::string_view name) const { return used + cost(name) <= kBlockSize; }
};

void encode_block(const std::vector<std::pair<std::string_view, tree::InodeId>>& entries,
                  const DirectoryContent& content, util::MutableBytes out) {
  std::size_t name_at = entries.size() * sizeof(ondisk::ErofsDirent);
  std::size_t at = 0;
  for (const auto& entry : entries) {
    const DirentTarget target = content.target(entry.second);
    ondisk::ErofsDirent dirent{};
    dirent.nid = target.nid;
    dirent.nameoff = static_cast<std::uint16_t>(name_at);
    dirent.file_type = static_cast<std::uint8_t>(target.type);
    std::memcpy(out.data() + at, &dirent, sizeof dirent);
    std::memcpy(out.data() + name_at, entry.first.data(), entry.first.size());
    at += sizeof dirent;
    name_at += entry.first.size();
  }
}

}  // namespace

ondisk::ErofsFileType to_dirent_type(tree::FileType type) {
  switch (type) {
    case tree::FileType::kRegular:
      return ondisk::ErofsFileType::kRegular;
    case tree::FileType::kDirectory:
      return ondisk::ErofsFileType::kDirectory;
    case tree::FileType::kSymlink:
      return ondisk::ErofsFileType::kSymlink;
    case tree::FileType::kCharDevice:
      return ondisk::ErofsFileType::kCharDevice;
    case tree::FileType::kBlockDevice:
      return ondisk::ErofsFileType::kBlockDevice;
    case tree::FileType::kFifo:
      return ondisk::ErofsFileType::kFifo;
    case tree::FileType::kSocket:
      return ondisk::ErofsFileType::kSocket;
  }
  return ondisk::ErofsFileType::kUnknown;
}

std::uint64_t directory_size(const tree::Children& children) {
  std::uint64_t full_blocks = 0;
  BlockFill fill;
  for_each_name(children, 0, 0, [&](std::string_view name, tree::InodeId) {
    if (!fill.has_room(name)) {
      ++full_blocks;
      fill.used = 0;
    }
    fill.used += BlockFill::cost(name);
  });
  return full_blocks * kBlockSize + fill.used;
}

void encode_directory(const DirectoryContent& content, std::uint64_t first,
                      const std::function<void(util::Bytes)>& emit) {
  std::vector<std::pair<std::string_view, tree::InodeId>> entries;
  std::vector<std::uint8_t> block(kBlockSize);
  std::uint64_t number = 0;
  BlockFill fill;
  const auto flush = [&](std::uint32_t len) {
    if (number++ >= first) {
      std::memset(block.data(), 0, block.size());
      encode_block(entries, content, block);
      emit(util::Bytes(block).first(len));
    }
    entries.clear();
    fill.used = 0;
  };
  for_each_name(content.children, content.self, content.parent,
                [&](std::string_view name, tree::InodeId inode) {
                  if (!fill.has_room(name)) flush(kBlockSize);
                  entries.emplace_back(name, inode);
                  fill.used += BlockFill::cost(name);
                });
  flush(fill.used);
}

}  // namespace ondemand::erofs
