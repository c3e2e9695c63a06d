// SPDX-License-Identifier: Apache-2.0
#include "transport/in_use.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "cache/backing_file.h"
#include "cache/extents.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::transport {

namespace {

// True when the file has a hole anywhere.  Throws kIo.
bool has_hole(int fd) {
  const std::uint64_t size = util::file_size(fd, "backing file");
  if (size == 0) return false;
  const off_t hole = ::lseek(fd, 0, SEEK_HOLE);
  if (hole < 0) throw util::errno_error("backing file", "find holes", errno);
  return static_cast<std::uint64_t>(hole) < size;
}

// True when `is_so` of the open file, or when that cannot be told; false when there is no file.
template <class IsSo>
bool may_be(const std::filesystem::path& file, const IsSo& is_so) {
  try {
    const util::Fd fd = util::open_file(file, O_RDONLY | O_NOFOLLOW);
    return is_so(fd.get());
  } catch (const util::Error& error) {
    return error.code() != util::ErrorCode::kNotFound;
  }
}

void check_walk(const std::filesystem::path& path, const std::error_code& error) {
  if (error && error != std::errc::no_such_file_or_directory)
    throw util::errno_error(util::printable(path.native()), "look for files", error.value());
}

// What goes away meanwhile is not there; anything else ends the walk.
void add_incomplete(const std::filesystem::path& directory,
                    std::vector<std::filesystem::path>& files) {
  using std::filesystem::file_type;
  std::error_code error;
  std::filesystem::directory_iterator walk(directory, error);
  for (; !error && walk != std::filesystem::directory_iterator(); walk.increment(error)) {
    std::error_code unknown;
    const file_type type = walk->symlink_status(unknown).type();
    check_walk(walk->path(), unknown);
    if (type == file_type::directory) add_incomplete(walk->path(), files);
    if (type == file_type::regular && may_be(walk->path(), has_hole)) files.push_back(walk->path());
  }
  check_walk(directory, error);
}

}  // namespace

std::vector<std::filesystem::path> incomplete_files(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> files;
  add_incomplete(root / "cache", files);
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::filesystem::path> files_in_use(const std::vector<std::filesystem::path>& files) {
  const auto is_in_use = [](int fd) { return has_hole(fd) && cache::is_open_elsewhere(fd); };
  std::vector<std::filesystem::path> used;
  for (const std::filesystem::path& file : files)
    if (may_be(file, is_in_use)) used.push_back(file);
  return used;
}

}  // namespace ondemand::transport
