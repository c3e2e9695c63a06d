// SPDX-License-Identifier: Apache-2.0
#include "transport/in_use.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "cache/backing_file.h"
#include "cache/extents.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::transport {

namespace {

// True when the file has a hole anywhere.
bool has_hole(int fd) {
  const std::uint64_t size = util::file_size(fd, "backing file");
  const off_t hole = ::lseek(fd, 0, SEEK_HOLE);
  return hole >= 0 && static_cast<std::uint64_t>(hole) < size;
}

}  // namespace

std::vector<std::filesystem::path> incomplete_files(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  std::filesystem::recursive_directory_iterator walk(root / "cache", error);
  for (; !error && walk != std::filesystem::recursive_directory_iterator(); walk.increment(error)) {
    std::error_code ignored;
    if (!walk->is_regular_file(ignored) || walk->is_symlink(ignored)) continue;
    try {
      const util::Fd fd = util::open_file(walk->path(), O_RDONLY | O_NOFOLLOW);
      if (has_hole(fd.get())) files.push_back(walk->path());
    } catch (const util::Error&) {
      // It went away meanwhile.
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::filesystem::path> files_in_use(const std::vector<std::filesystem::path>& files) {
  std::vector<std::filesystem::path> used;
  for (const std::filesystem::path& file : files) {
    try {
      const util::Fd fd = util::open_file(file, O_RDONLY | O_NOFOLLOW);
      if (has_hole(fd.get()) && cache::is_open_elsewhere(fd.get())) used.push_back(file);
    } catch (const util::Error&) {
      // Unlinked: nobody can tell by name; see the guard.
    }
  }
  return used;
}

}  // namespace ondemand::transport
