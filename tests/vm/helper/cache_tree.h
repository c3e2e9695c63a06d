// SPDX-License-Identifier: Apache-2.0
//
// A cache directory made by hand, right or wrong, with the names that our lib/cache computes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "answerer.h"

namespace ondemand::vmtest {

class CacheTree {
 public:
  // Makes the root for the protocol: cache/ and graveyard/, marked for the demand mode.
  CacheTree(Protocol protocol, std::filesystem::path root, std::string volume, std::string key);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path volume() const;
  std::filesystem::path file() const;
  std::string relative_file() const;  // below cache/

  // The volume directory; its attribute has these bytes, or is missing where `xattr` is null.
  void make_volume(const char* xattr, std::size_t size) const;
  void make_good_volume() const { make_volume("\0\0\0\0", 4); }
  void make_all_fans() const;
  // The backing file with its fan directory: sparse, or with the bytes of `content`.
  void make_file(std::uint64_t size) const;
  void fill_file(std::string_view content) const;
  void set_file_xattr(std::string_view bytes) const;
  void set_good_file_xattr(std::uint64_t object_size) const;

 private:
  std::filesystem::path root_;
  std::string volume_;
  std::string key_;
};

}  // namespace ondemand::vmtest
