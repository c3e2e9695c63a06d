// SPDX-License-Identifier: Apache-2.0
#include "view/export_tar.h"

#include <algorithm>

#include "tar/tar_writer.h"
#include "util/error.h"
#include "util/text.h"
#include "view/file_order.h"
#include "view/tree_list.h"

namespace ondemand::view {

namespace {

using erofs::InodeInfo;
using tree::FileType;

constexpr std::uint64_t kMinHole = 64 * util::kKiB;
// Readers keep the list of pieces in memory, ours not more than a million.
constexpr std::size_t kMaxPieces = 500'000;

tar::EntryType entry_type(FileType type) {
  switch (type) {
    case FileType::kRegular:
      return tar::EntryType::kRegular;
    case FileType::kDirectory:
      return tar::EntryType::kDirectory;
    case FileType::kSymlink:
      return tar::EntryType::kSymlink;
    case FileType::kCharDevice:
      return tar::EntryType::kCharDevice;
    case FileType::kBlockDevice:
      return tar::EntryType::kBlockDevice;
    case FileType::kFifo:
      return tar::EntryType::kFifo;
    case FileType::kSocket:
      break;
  }
  return tar::EntryType::kSocket;
}

// Data with the holes of less than `min_hole` bytes between.  Stops above kMaxPieces.
std::vector<util::ByteRange> pieces_of(const erofs::BootstrapReader& bootstrap,
                                       const InodeInfo& inode, std::uint64_t min_hole) {
  std::vector<util::ByteRange> pieces;
  std::uint64_t end = 0;  // of what is covered or given up
  const auto add = [&](util::ByteRange range) {
    if (pieces.size() > kMaxPieces) return;
    if (range.offset - end < min_hole) {
      range.len += range.offset - end;
      range.offset = end;
    }
    if (!pieces.empty() && pieces.back().end() == range.offset)
      pieces.back().len += range.len;
    else if (range.len > 0)
      pieces.push_back(range);
    end = range.end();
  };
  bootstrap.for_each_extent(inode, [&](const erofs::FileExtent& extent) {
    if (extent.kind != erofs::ExtentKind::kHole) add(extent.file);
  });
  if (inode.size - end < min_hole) add({inode.size, 0});
  return pieces;
}

class Exporter {
 public:
  Exporter(ImageView& image, util::ByteSink& out, const Warn& warn)
      : image_(image), reader_(image.bootstrap()), warn_(warn), writer_(out) {}

  ExportStats run() {
    image_.check_structure();
    list_ = list_tree(reader_);
    std::vector<util::Nid> nids;
    nids.reserve(list_.files.size());
    for (const ListedName& file : list_.files)
      nids.push_back(file.nid);
    const std::vector<std::uint32_t> order = data_order(reader_, nids);
    std::vector<bool> has_data(list_.files.size());
    for (const std::uint32_t file : order)
      has_data[file] = true;
    for (std::size_t i = 0; i < list_.files.size(); ++i)
      if (!has_data[i]) write_file(list_.files[i]);
    for (const std::uint32_t file : order)
      write_file(list_.files[file]);
    for (const ListedLink& link : list_.links)
      write_link(link);
    for (std::size_t i = list_.directories.size(); i-- > 0;)
      write_directory(static_cast<std::uint32_t>(i));
    writer_.finish();
    return stats_;
  }

 private:
  tar::Entry entry_of(const InodeInfo& inode, std::string path) {
    tar::Entry entry;
    entry.path = std::move(path);
    entry.type = entry_type(inode.type);
    entry.permissions = inode.permissions;
    entry.uid = inode.uid;
    entry.gid = inode.gid;
    entry.mtime = inode.mtime;
    entry.rdev_major = inode.rdev_major;
    entry.rdev_minor = inode.rdev_minor;
    entry.xattrs = reader_.xattrs(inode);
    if (inode.type == FileType::kRegular) entry.size = inode.size;
    if (inode.type == FileType::kSymlink) entry.link_target = reader_.symlink_target(inode);
    return entry;
  }

  void check_name(const ListedName& name) {
    if (!name.name.starts_with(".wh.")) return;
    warn_(util::concat(util::printable(list_.path_of(name)),
                       ": readers of image layers take this name for a whiteout"));
  }

  void write_file(const ListedName& file) {
    const InodeInfo inode = reader_.inode(file.nid);
    check_name(file);
    tar::Entry entry = entry_of(inode, list_.path_of(file));
    if (inode.type == FileType::kSocket) {
      warn_(util::concat(util::printable(entry.path),
                         ": is a socket, which tar cannot hold: left out"));
      ++stats_.skipped;
      return;
    }
    ++stats_.entries;
    if (inode.type != FileType::kRegular) {
      writer_.begin(entry);
      writer_.end();
      return;
    }
    const std::vector<util::ByteRange> pieces = sparse_pieces(reader_, inode);
    writer_.begin(entry, pieces);
    for (const util::ByteRange& piece : pieces) {
      image_.read(inode, piece, [this](util::Bytes bytes) { writer_.data(bytes); });
      stats_.data_bytes += piece.len;
    }
    writer_.end();
  }

  void write_link(const ListedLink& link) {
    check_name(link.name);
    const ListedName& target = list_.files[link.target];
    const InodeInfo inode = reader_.inode(target.nid);
    if (inode.type == FileType::kSocket) {
      ++stats_.skipped;
      return;
    }
    // The attributes are the target's own; tar readers do not look at them.
    tar::Entry entry = entry_of(inode, list_.path_of(link.name));
    entry.type = tar::EntryType::kHardlink;
    entry.link_target = list_.path_of(target);
    entry.size = 0;
    entry.rdev_major = 0;
    entry.rdev_minor = 0;
    entry.xattrs.clear();
    write_empty(entry);
  }

  void write_directory(std::uint32_t index) {
    check_name(list_.directories[index]);
    std::string path = list_.directory_path(index);
    path += path.empty() ? "./" : "/";
    write_empty(entry_of(reader_.inode(list_.directories[index].nid), std::move(path)));
  }

  void write_empty(const tar::Entry& entry) {
    ++stats_.entries;
    writer_.begin(entry);
    writer_.end();
  }

  ImageView& image_;
  const erofs::BootstrapReader& reader_;
  const Warn& warn_;
  tar::TarWriter writer_;
  TreeList list_;
  ExportStats stats_;
};

}  // namespace

std::vector<util::ByteRange> sparse_pieces(const erofs::BootstrapReader& bootstrap,
                                           const InodeInfo& inode) {
  for (std::uint64_t min_hole = kMinHole;; min_hole *= 4) {
    std::vector<util::ByteRange> pieces = pieces_of(bootstrap, inode, min_hole);
    if (pieces.size() <= kMaxPieces) return pieces;
  }
}

ExportStats export_tar(ImageView& image, util::ByteSink& out, const Warn& warn) {
  return Exporter(image, out, warn).run();
}

}  // namespace ondemand::view
