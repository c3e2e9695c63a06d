// SPDX-License-Identifier: Apache-2.0
#include "matrix.h"

#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "cache/backing_file.h"
#include "cache_tree.h"
#include "erofs_mount.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::vmtest {

namespace {

constexpr const char* kKey = "image";
constexpr const char* kOptions = "fsid=image";
constexpr const char* kVolume = "erofs,image";

std::string object_xattr(std::uint64_t size) {
  const auto bytes = cache::encode_object_xattr(size);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The attribute of the tiny image with one byte changed.  Source of the places: KERNEL.md 3.4.
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

struct Preparation {
  const char* name;
  void (*prepare)(const CacheTree& tree);
};

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

std::optional<ino_t> inode_of(const std::filesystem::path& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return std::nullopt;
  return st.st_ino;
}

std::string fate(std::optional<ino_t> before, const std::filesystem::path& file) {
  struct stat st {};
  if (::lstat(file.c_str(), &st) != 0) return before ? "gone" : "none";
  std::string text = !before ? "made" : *before == st.st_ino ? "kept" : "replaced";
  return text + (S_ISREG(st.st_mode) ? "," + std::to_string(st.st_size) : ",no file");
}

std::string data_of(const std::filesystem::path& point) {
  try {
    const bool is_right = util::read_text_file(point / "f", 8192) == std::string(4096, 'x');
    return is_right ? "right" : "WRONG";
  } catch (const util::Error&) {
    return "unreadable";
  }
}

std::string kinds_of(const std::vector<Request>& requests) {
  bool opened = false;
  bool read = false;
  for (const Request& request : requests)
    (request.kind == Request::Kind::kOpen ? opened : read) = true;
  return opened && read ? "OPEN+READ" : opened ? "OPEN" : read ? "READ" : "silent";
}

std::size_t entries_of(const std::filesystem::path& directory) {
  const std::filesystem::directory_iterator first(directory);
  return static_cast<std::size_t>(std::distance(first, {}));
}

void try_preparation(Protocol protocol, const std::filesystem::path& directory,
                     const Preparation& preparation) {
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory / "mnt");
  const auto bytes = tiny_image();
  std::ofstream(directory / "copy", std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  const CacheTree tree(protocol, directory / "root", kVolume, kKey);
  preparation.prepare(tree);
  const std::optional<ino_t> before = inode_of(tree.file());
  std::string outcome;
  {
    Answerer answerer({.protocol = protocol,
                       .root = tree.root(),
                       .copy_of = [&](const std::string&) { return directory / "copy"; }});
    answerer.start(1);
    const int error = mount_erofs(kOptions, directory / "mnt");
    outcome = errno_name(error);
    const std::string data = error == 0 ? data_of(directory / "mnt") : "-";
    if (error == 0) unmount(directory / "mnt");
    outcome += " " + kinds_of(answerer.requests()) + " " + data;
  }  // the device is closed: every object is committed
  std::printf("%s: %s file=%s graveyard=%zu\n", preparation.name, outcome.c_str(),
              fate(before, tree.file()).c_str(), entries_of(tree.root() / "graveyard"));
}

}  // namespace

void print_matrix(Protocol protocol, const std::filesystem::path& directory) {
  for (const Preparation& preparation : kPreparations)
    try_preparation(protocol, directory, preparation);
}

}  // namespace ondemand::vmtest
