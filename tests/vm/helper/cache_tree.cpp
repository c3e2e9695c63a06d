// SPDX-License-Identifier: Apache-2.0
#include "cache_tree.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <utility>

#include "cache/backing_file.h"
#include "cache/backing_path.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::vmtest {

namespace {

void set_xattr(const std::filesystem::path& path, const char* name, std::string_view value) {
  if (::setxattr(path.c_str(), name, value.data(), value.size(), 0) != 0)
    throw util::Error(util::ErrorCode::kIo, util::concat(path.native(), ": setxattr: ", errno));
}

}  // namespace

CacheTree::CacheTree(Protocol protocol, std::filesystem::path root, std::string volume,
                     std::string key)
    : root_(std::move(root)), volume_(std::move(volume)), key_(std::move(key)) {
  std::filesystem::create_directories(root_ / "cache");
  std::filesystem::create_directories(root_ / "graveyard");
  if (protocol == Protocol::kDemand) set_xattr(root_ / "cache", "user.CacheFiles.mode", "demand");
}

std::filesystem::path CacheTree::volume() const {
  return root_ / "cache" / cache::volume_directory_name(volume_);
}

std::string CacheTree::relative_file() const {
  return cache::backing_path(volume_, key_);
}

std::filesystem::path CacheTree::file() const {
  return root_ / "cache" / relative_file();
}

void CacheTree::make_volume(const char* xattr, std::size_t size) const {
  std::filesystem::create_directories(volume());
  if (xattr != nullptr) set_xattr(volume(), cache::kCacheXattr, {xattr, size});
}

void CacheTree::make_all_fans() const {
  for (unsigned fan = 0; fan < 256; ++fan) {
    const auto name = cache::fan_directory_name(static_cast<std::uint8_t>(fan));
    std::filesystem::create_directory(volume() / name);
  }
}

void CacheTree::make_file(std::uint64_t size) const {
  std::filesystem::create_directories(file().parent_path());
  std::ofstream(file()).flush();
  std::filesystem::resize_file(file(), size);
}

void CacheTree::fill_file(std::string_view content) const {
  std::filesystem::create_directories(file().parent_path());
  std::ofstream(file(), std::ios::binary) << content;
}

void CacheTree::set_file_xattr(std::string_view bytes) const {
  set_xattr(file(), cache::kCacheXattr, bytes);
}

void CacheTree::set_good_file_xattr(std::uint64_t object_size) const {
  const auto bytes = cache::encode_object_xattr(object_size);
  set_file_xattr({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace ondemand::vmtest
