// SPDX-License-Identifier: Apache-2.0
//
// What the file system of a cache root can do, tried on a file without a name in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cache/cache_mark.h"

namespace ondemand::probe {

struct FileSystemFacts {
  std::filesystem::path root;    // that was asked about
  std::filesystem::path probed;  // it, or the nearest directory above it that exists
  bool exists = false;           // the root itself
  std::string error;             // nothing could be tried, and why; empty: the rest is meant

  std::string type;  // "ext4", or its magic number
  bool is_read_only = false;
  std::uint32_t block_size = 0;
  std::uint64_t bytes_free = 0;
  std::uint64_t bytes_total = 0;
  unsigned blocks_free_percent = 0;
  unsigned files_free_percent = 100;  // 100 where there is no limit

  bool has_tmpfile = false;  // O_TMPFILE, which the kernel's cachefiles needs
  bool has_user_xattr = false;
  bool has_direct_io = false;     // 4096 bytes at 4096
  bool has_holes = false;         // SEEK_HOLE tells a hole from data
  bool has_punch = false;         // FALLOC_FL_PUNCH_HOLE makes one again
  std::string pre_content_error;  // empty: fanotify's pre-content marks are taken

  cache::CacheMark mark = cache::CacheMark::kNone;
  bool has_volumes = false;  // prepared or used before
  int daemon = 0;            // process that demandd.lock names; 0: none.  It may have ended
};

// Leaves nothing behind.  Does not throw for what it finds.
FileSystemFacts probe_file_system(const std::filesystem::path& root);

}  // namespace ondemand::probe
