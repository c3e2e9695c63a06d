// SPDX-License-Identifier: Apache-2.0
#include "view/image_diff.h"

#include <unordered_map>
#include <utility>

#include "hash/sha256.h"
#include "view/chunk_compare.h"
#include "view/tree_list.h"

namespace ondemand::view {

namespace {

using erofs::InodeInfo;
using tree::FileType;

using Names = std::vector<std::pair<std::string_view, util::Nid>>;

// In stored order, which check_structure() found to be that of bytes.
Names names_in(const erofs::BootstrapReader& reader, util::Nid directory) {
  Names names;
  reader.read_dir(reader.inode(directory), [&](const erofs::DirEntry& entry) {
    if (entry.name != "." && entry.name != "..") names.emplace_back(entry.name, entry.nid);
    return true;
  });
  return names;
}

// Of each inode with several names a digest of them all, in the order of list_tree(), which follows
// from the names alone.
using LinkGroups = std::unordered_map<std::uint64_t, hash::Digest>;

LinkGroups link_groups(const erofs::BootstrapReader& reader) {
  const TreeList list = list_tree(reader);
  LinkGroups groups;
  for (const ListedLink& link : list.links) {
    const ListedName& first = list.files[link.target];
    const auto [group, is_new] = groups.try_emplace(first.nid.value);
    if (is_new) group->second = hash::sha256(util::as_bytes(list.path_of(first)));
    hash::Sha256 sha;
    sha.update(group->second.bytes);
    sha.update(util::as_bytes(list.path_of(link.name)));
    group->second = sha.finish();
  }
  return groups;
}

class Differ {
 public:
  Differ(ImageView& first, ImageView& second, std::uint32_t chunk_size)
      : first_(first.bootstrap()),
        second_(second.bootstrap()),
        first_links_(link_groups(first_)),
        second_links_(link_groups(second_)),
        chunks_(first, second, chunk_size) {}

  ImageDiff run() {
    compare("/", first_.root(), second_.root());
    chunks_.count(diff_);
    return std::move(diff_);
  }

 private:
  // Recursion is as deep as a path has names: 2,048 at most, since ".." of each is checked.
  void compare(const std::string& path, util::Nid a, util::Nid b) {
    const InodeInfo first = first_.inode(a);
    const InodeInfo second = second_.inode(b);
    std::vector<std::string> attributes = differences(first, second);
    if (attributes.empty())
      ++diff_.same_paths;
    else
      diff_.paths.push_back({PathChange::kChanged, path, second.type, std::move(attributes)});
    const bool was = first.type == FileType::kDirectory;
    const bool is = second.type == FileType::kDirectory;
    if (was && is)
      compare_children(path, a, b);
    else if (was)
      list_below(path, first_, a, PathChange::kRemoved);
    else if (is)
      list_below(path, second_, b, PathChange::kAdded);
  }

  void compare_children(const std::string& path, util::Nid a, util::Nid b) {
    const Names first = names_in(first_, a);
    const Names second = names_in(second_, b);
    std::size_t i = 0;
    std::size_t j = 0;
    while (i < first.size() || j < second.size()) {
      const bool is_old =
          j == second.size() || (i < first.size() && first[i].first < second[j].first);
      const bool is_new =
          i == first.size() || (j < second.size() && second[j].first < first[i].first);
      if (is_old) {
        list(child(path, first[i].first), first_, first[i].second, PathChange::kRemoved);
        ++i;
      } else if (is_new) {
        list(child(path, second[j].first), second_, second[j].second, PathChange::kAdded);
        ++j;
      } else {
        compare(child(path, first[i].first), first[i].second, second[j].second);
        ++i;
        ++j;
      }
    }
  }

  static std::string child(const std::string& path, std::string_view name) {
    std::string out = path;
    if (out.size() > 1) out += '/';
    return out.append(name);
  }

  void list(const std::string& path, const erofs::BootstrapReader& reader, util::Nid nid,
            PathChange change) {
    diff_.paths.push_back({change, path, reader.inode(nid).type, {}});
    if (diff_.paths.back().type == FileType::kDirectory) list_below(path, reader, nid, change);
  }

  void list_below(const std::string& path, const erofs::BootstrapReader& reader,
                  util::Nid directory, PathChange change) {
    for (const auto& [name, nid] : names_in(reader, directory))
      list(child(path, name), reader, nid, change);
  }

  std::vector<std::string> differences(const InodeInfo& a, const InodeInfo& b) {
    std::vector<std::string> out;
    const auto add = [&out](bool differs, const char* what) {
      if (differs) out.emplace_back(what);
    };
    add(a.type != b.type, "type");
    add(a.permissions != b.permissions, "mode");
    add(a.uid != b.uid, "uid");
    add(a.gid != b.gid, "gid");
    add(a.mtime != b.mtime, "mtime");
    add(first_.xattrs(a) != second_.xattrs(b), "xattrs");
    if (a.type != b.type) return out;
    switch (a.type) {
      case FileType::kRegular:
        add(a.size != b.size, "size");
        add(!chunks_.is_same_content(a.nid, b.nid), "content");
        break;
      case FileType::kSymlink:
        add(first_.symlink_target(a) != second_.symlink_target(b), "target");
        break;
      case FileType::kCharDevice:
      case FileType::kBlockDevice:
        add(a.rdev_major != b.rdev_major || a.rdev_minor != b.rdev_minor, "device");
        break;
      default:
        break;
    }
    // Of a directory the number follows from what is in it.
    add(a.type != FileType::kDirectory && (a.nlink != b.nlink || !have_same_names(a, b)), "links");
    return out;
  }

  bool have_same_names(const InodeInfo& a, const InodeInfo& b) const {
    const auto first = first_links_.find(a.nid.value);
    const auto second = second_links_.find(b.nid.value);
    const bool has_first = first != first_links_.end();
    const bool has_second = second != second_links_.end();
    return has_first == has_second && (!has_first || first->second == second->second);
  }

  const erofs::BootstrapReader& first_;
  const erofs::BootstrapReader& second_;
  const LinkGroups first_links_;
  const LinkGroups second_links_;
  ChunkCompare chunks_;
  ImageDiff diff_;
};

}  // namespace

ImageDiff diff_images(ImageView& first, ImageView& second, std::uint32_t chunk_size) {
  first.check_structure();
  second.check_structure();
  return Differ(first, second, chunk_size).run();
}

}  // namespace ondemand::view
