// SPDX-License-Identifier: Apache-2.0
#include "erofs/bootstrap_check.h"

#include <algorithm>
#include <array>
#include <memory>

#include "erofs/dirent_codec.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::erofs {
namespace {

using tree::FileType;
using util::Error;
using util::Nid;

constexpr std::size_t kMaxProblems = 100;
constexpr std::size_t kMaxPathInMessage = 1024;

class Checker {
 public:
  explicit Checker(const BootstrapReader& reader)
      : reader_(reader),
        links_(reader.image_size() / ondisk::kErofsSlotSize + 1),
        // A right image holds each of these once, so their sum cannot be larger than it.
        dirents_left_(reader.image_size() / sizeof(ondisk::ErofsDirent)),
        xattr_bytes_left_(reader.image_size()),
        chunk_bytes_left_(reader.image_size()) {}

  CheckReport run() {
    if (!reader_.is_checksum_right()) add("superblock", "checksum does not match");
    check_devices();
    guarded("/", [this] { enter_root(); });
    for (std::size_t i = 0; i < directories_.size() && !is_full(); ++i)
      guarded("", [this, i] { check_directory(i); });
    check_links();
    return std::move(report_);
  }

 private:
  struct Directory {
    Nid nid;
    std::size_t parent;
    std::string name;
    std::uint32_t subdirectories = 0;
  };
  struct LinkState {
    std::uint32_t found = 0;
    std::uint32_t stored = 0;
    std::uint8_t type = 0;  // as a dirent has it; 0 = not seen yet
  };

  // By nid.  Most slots of a bootstrap with large sparse files hold chunk entries, no inodes.
  class LinkTable {
   public:
    explicit LinkTable(std::uint64_t size) : size_(size), pages_(size / kPage + 1) {}
    std::uint64_t size() const { return size_; }
    LinkState& operator[](std::uint64_t nid) {
      auto& page = pages_[nid / kPage];
      if (page == nullptr) page = std::make_unique<Page>();
      return (*page)[nid % kPage];
    }
    template <class Visit>
    void for_each(Visit visit) const {
      for (std::size_t i = 0; i < pages_.size(); ++i)
        for (std::size_t j = 0; pages_[i] != nullptr && j < kPage; ++j)
          visit(i * kPage + j, (*pages_[i])[j]);
    }

   private:
    static constexpr std::size_t kPage = 64;
    using Page = std::array<LinkState, kPage>;
    std::uint64_t size_;
    std::vector<std::unique_ptr<Page>> pages_;
  };

  bool is_full() const { return report_.problems.size() > kMaxProblems; }
  void add(std::string_view where, std::string_view reason) {
    if (is_full()) return;
    if (report_.problems.size() == kMaxProblems) {
      report_.problems.push_back("more problems are not listed");
      return;
    }
    report_.problems.push_back(
        util::concat(util::printable(where.substr(0, kMaxPathInMessage)), ": ", reason));
  }
  template <class Function>
  void guarded(std::string_view where, Function function) {
    try {
      function();
    } catch (const Error& error) {
      if (where.empty()) {
        add("directory", error.message());
      } else {
        add(where, error.message());
      }
    }
  }

  std::string path_of(std::size_t directory, std::string_view name) const {
    std::vector<std::string_view> parts{name};
    std::size_t len = name.size();
    for (; directory != 0 && len < kMaxPathInMessage; directory = directories_[directory].parent) {
      parts.push_back(directories_[directory].name);
      len += parts.back().size() + 1;
    }
    std::string path;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part)
      path.append("/").append(*part);
    return path;
  }

  void check_devices();
  void enter_root();
  void check_directory(std::size_t index);
  void check_entry(std::size_t index, const DirEntry& entry);
  void check_child(std::size_t index, const DirEntry& entry);
  void check_inode(const InodeInfo& inode, const std::function<std::string()>& path);
  void check_extents(const InodeInfo& inode, const std::function<std::string()>& path);
  void check_links();

  const BootstrapReader& reader_;
  CheckReport report_;
  std::vector<Directory> directories_;  // in the order of discovery; [0] is the root
  LinkTable links_;
  std::uint64_t dirents_left_;
  std::uint64_t xattr_bytes_left_;
  std::uint64_t chunk_bytes_left_;
};

void Checker::check_devices() {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const DeviceInfo& device : reader_.devices())
    if (device.uniaddr != 0) ranges.emplace_back(device.uniaddr, device.nblocks);
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].first + ranges[i - 1].second)
      add("device table", util::concat("devices overlap at block ", ranges[i].first));
  if (!ranges.empty() && ranges.front().first < reader_.superblock().blocks_lo)
    add("device table", "a device begins inside of the image");
}

void Checker::enter_root() {
  const InodeInfo root = reader_.inode(reader_.root());
  if (root.type != FileType::kDirectory) {
    add("/", "root is not a directory");
    return;
  }
  LinkState& state = links_[root.nid.value];
  state.type = static_cast<std::uint8_t>(ondisk::ErofsFileType::kDirectory);
  state.found = 1;
  state.stored = root.nlink;
  directories_.push_back({root.nid, 0, "", 0});
  report_.inodes = 1;
  check_inode(root, [] { return std::string("/"); });
}

void Checker::check_directory(std::size_t index) {
  ++report_.directories;
  const InodeInfo info = reader_.inode(directories_[index].nid);
  std::string last;
  bool is_first = true;
  bool has_dot = info.is_dot_omitted;
  bool has_dot_dot = false;
  const auto visit = [&](const DirEntry& entry) {
    if (dirents_left_ == 0) {
      add(path_of(index, ""), "more entries in directories than the image can hold");
      return false;
    }
    --dirents_left_;
    if (!is_first && entry.name <= last)
      add(path_of(index, entry.name), "name is out of order, or twice");
    is_first = false;
    last = entry.name;
    if (entry.name == ".") has_dot = true;
    if (entry.name == "..") has_dot_dot = true;
    check_entry(index, entry);
    return !is_full();
  };
  try {
    reader_.read_dir(info, visit);
    if (!has_dot) add(path_of(index, ""), "has no '.'");
    if (!has_dot_dot) add(path_of(index, ""), "has no '..'");
  } catch (const Error& error) {
    add(path_of(index, ""), error.message());
  }
}

void Checker::check_entry(std::size_t index, const DirEntry& entry) {
  const Directory& directory = directories_[index];
  if (entry.name == "." || entry.name == "..") {
    const Nid expected = entry.name == "." ? directory.nid : directories_[directory.parent].nid;
    if (entry.nid != expected) add(path_of(index, entry.name), "leads to a wrong inode");
    if (entry.file_type != static_cast<std::uint8_t>(ondisk::ErofsFileType::kDirectory))
      add(path_of(index, entry.name), "type is not directory");
    return;
  }
  if (entry.name.empty() || entry.name.size() > ondisk::kErofsNameMax ||
      entry.name.find('/') != std::string_view::npos ||
      entry.name.find('\0') != std::string_view::npos)
    add(path_of(index, entry.name), "not a name for a file");
  try {
    check_child(index, entry);
  } catch (const Error& error) {
    add(path_of(index, entry.name), error.message());
  }
}

void Checker::check_child(std::size_t index, const DirEntry& entry) {
  if (entry.nid.value >= links_.size()) {
    add(path_of(index, entry.name), "inode is outside of the image");
    return;
  }
  LinkState& state = links_[entry.nid.value];
  ++state.found;
  constexpr auto kDirectory = static_cast<std::uint8_t>(ondisk::ErofsFileType::kDirectory);
  if (state.type == 0) {
    const InodeInfo inode = reader_.inode(entry.nid);
    state.type = static_cast<std::uint8_t>(to_dirent_type(inode.type));
    state.stored = inode.nlink;
    ++report_.inodes;
    check_inode(inode, [&] { return path_of(index, entry.name); });
    if (state.type == kDirectory) {
      ++directories_[index].subdirectories;
      directories_.push_back({entry.nid, index, std::string(entry.name), 0});
    }
  } else if (state.type == kDirectory) {
    add(path_of(index, entry.name), "directory has a second name");
  }
  if (entry.file_type != 0 && entry.file_type != state.type)
    add(path_of(index, entry.name), "type in the directory differs from the inode's");
}

void Checker::check_inode(const InodeInfo& inode, const std::function<std::string()>& path) {
  if (inode.xattr_size > xattr_bytes_left_) {
    add(path(), "more xattrs than the image can hold");
  } else {
    xattr_bytes_left_ -= inode.xattr_size;
    try {
      reader_.for_each_xattr(inode, [](const XattrView&) {});
    } catch (const Error& error) {
      add(path(), error.message());
    }
  }
  if (inode.type == FileType::kSymlink) reader_.symlink_target(inode);
  if (inode.type == FileType::kRegular) check_extents(inode, path);
}

void Checker::check_extents(const InodeInfo& inode, const std::function<std::string()>& path) {
  const std::uint64_t array = reader_.chunk_array_size(inode);
  if (array > chunk_bytes_left_) {
    add(path(), "more chunk entries than the image can hold");
    return;
  }
  chunk_bytes_left_ -= array;
  const std::uint64_t block = reader_.block_size();
  reader_.for_each_extent(inode, [&](const FileExtent& extent) {
    if (extent.kind == ExtentKind::kInline) reader_.bytes_of(extent);
    if (extent.kind != ExtentKind::kBlocks) return;
    // The kernel reads whole blocks, so the last one must be there too.
    const std::uint64_t nblocks = (extent.file.len + block - 1) / block;
    const std::uint64_t available = extent.device.value == 0
                                        ? reader_.image_size() / block
                                        : reader_.devices()[extent.device.value - 1u].nblocks;
    const std::uint64_t first = extent.address / block;
    if (first > available || nblocks > available - first)
      add(path(), util::concat("data at file offset 0x", util::to_hex(extent.file.offset),
                               " is outside of device ", extent.device.value));
  });
}

void Checker::check_links() {
  // A directory: "." of its own, its name, and ".." of each subdirectory.
  for (std::size_t i = 0; i < directories_.size() && !is_full(); ++i) {
    const Directory& directory = directories_[i];
    const std::uint32_t stored = links_[directory.nid.value].stored;
    if (stored != directory.subdirectories + 2)
      add(path_of(i, ""),
          util::concat("link count is ", stored, ", not ", directory.subdirectories + 2));
  }
  links_.for_each([this](std::uint64_t nid, const LinkState& state) {
    if (state.type == 0 ||
        state.type == static_cast<std::uint8_t>(ondisk::ErofsFileType::kDirectory))
      return;
    if (state.stored != state.found)
      add(util::concat("inode ", nid),
          util::concat("link count is ", state.stored, ", not ", state.found));
  });
}

}  // namespace

CheckReport check_bootstrap(const BootstrapReader& reader) {
  return Checker(reader).run();
}

}  // namespace ondemand::erofs
