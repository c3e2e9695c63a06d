// SPDX-License-Identifier: Apache-2.0
#include "preparations.h"

#include <sys/stat.h>

#include <iterator>

#include "cache/backing_file.h"
#include "erofs_mount.h"

namespace ondemand::vmtest {

namespace {

std::string object_xattr(std::uint64_t size) {
  const auto bytes = cache::encode_object_xattr(size);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The attribute of the tiny image with one byte changed.  Source of the places: doc/KERNEL.md 3.4.
std::string object_xattr_with(std::size_t at, char byte) {
  std::string bytes = object_xattr(kTinyImageBytes);
  bytes.at(at) = byte;
  return bytes;
}

void good_file(const CacheTree& tree) {
  tree.make_file(kTinyImageBytes);
  tree.set_good_file_xattr(kTinyImageBytes);
}

void good_volume_and_file_xattr(const CacheTree& tree, const std::string& xattr) {
  tree.make_good_volume();
  tree.make_file(kTinyImageBytes);
  tree.set_file_xattr(xattr);
}

void good_file_of_size(const CacheTree& tree, std::uint64_t size) {
  tree.make_good_volume();
  tree.make_file(size);
  tree.set_good_file_xattr(kTinyImageBytes);
}

void volume_xattr(const CacheTree& tree, const char* bytes, std::size_t size) {
  tree.make_volume(bytes, size);
  good_file(tree);
}

constexpr std::size_t kTypeByte = 16;
constexpr std::size_t kContentByte = 17;

const Preparation kPreparations[] = {
    {"nothing", [](const CacheTree&) {}},
    {"all fans",
     [](const CacheTree& tree) {
       tree.make_good_volume();
       tree.make_all_fans();
       good_file(tree);
     }},
    {"needed fan", [](const CacheTree& tree) { volume_xattr(tree, "\0\0\0\0", 4); }},
    {"directories only",
     [](const CacheTree& tree) {
       tree.make_good_volume();
       tree.make_all_fans();
     }},
    {"file without attribute",
     [](const CacheTree& tree) {
       tree.make_good_volume();
       tree.make_file(kTinyImageBytes);
     }},
    {"volume without attribute", [](const CacheTree& tree) { volume_xattr(tree, nullptr, 0); }},
    {"volume attribute short", [](const CacheTree& tree) { volume_xattr(tree, "\0\0", 2); }},
    {"volume attribute wrong", [](const CacheTree& tree) { volume_xattr(tree, "\1\0\0\0", 4); }},
    {"volume attribute long", [](const CacheTree& tree) { volume_xattr(tree, "\0\0\0\0\0", 5); }},
    {"object size larger",
     [](const CacheTree& tree) {
       good_volume_and_file_xattr(tree, object_xattr(kTinyImageBytes + 4096));
     }},
    {"object size smaller",
     [](const CacheTree& tree) {
       good_volume_and_file_xattr(tree, object_xattr(kTinyImageBytes - 4096));
     }},
    {"object size zero",
     [](const CacheTree& tree) { good_volume_and_file_xattr(tree, object_xattr(0)); }},
    {"file attribute short",
     [](const CacheTree& tree) {
       good_volume_and_file_xattr(tree, object_xattr(kTinyImageBytes).substr(0, 17));
     }},
    {"file attribute long",
     [](const CacheTree& tree) {
       good_volume_and_file_xattr(tree, object_xattr(kTinyImageBytes) + '\0');
     }},
    {"file attribute of another type",
     [](const CacheTree& tree) {
       good_volume_and_file_xattr(tree, object_xattr_with(kTypeByte, 2));
     }},
    {"file attribute says dirty",
     [](const CacheTree& tree) {
       good_volume_and_file_xattr(tree, object_xattr_with(kContentByte, 4));
     }},
    {"file empty", [](const CacheTree& tree) { good_file_of_size(tree, 0); }},
    {"file not of whole blocks",
     [](const CacheTree& tree) { good_file_of_size(tree, kTinyImageBytes - 1000); }},
    {"file too long", [](const CacheTree& tree) { good_file_of_size(tree, kTinyImageBytes * 2); }},
    {"directory in place of the file",
     [](const CacheTree& tree) {
       tree.make_good_volume();
       std::filesystem::create_directories(tree.file());
     }},
};

std::string fate_of(std::optional<ino_t> before, const std::filesystem::path& file) {
  struct stat st {};
  if (::lstat(file.c_str(), &st) != 0) return before ? "gone" : "none";
  std::string text = !before ? "made" : *before == st.st_ino ? "kept" : "replaced";
  return text + (S_ISREG(st.st_mode) ? "," + std::to_string(st.st_size) : ",no file");
}

std::size_t entries_of(const std::filesystem::path& directory) {
  const std::filesystem::directory_iterator first(directory);
  return static_cast<std::size_t>(std::distance(first, {}));
}

}  // namespace

std::span<const Preparation> preparations() {
  return kPreparations;
}

std::optional<ino_t> inode_of(const std::filesystem::path& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return std::nullopt;
  return st.st_ino;
}

std::string traces_of(const CacheTree& tree, std::optional<ino_t> before) {
  return "file=" + fate_of(before, tree.file()) +
         " graveyard=" + std::to_string(entries_of(tree.root() / "graveyard"));
}

}  // namespace ondemand::vmtest
