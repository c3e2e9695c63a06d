// SPDX-License-Identifier: Apache-2.0
#include "util/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::util {

AtomicFile::AtomicFile(std::filesystem::path directory, mode_t mode) {
  std::string pattern = (directory / ".tmp-XXXXXX").native();
  fd_ = Fd(::mkostemp(pattern.data(), O_CLOEXEC));
  if (!fd_) throw errno_error(printable(directory.native()), "create temporary file", errno);
  temporary_ = pattern;
  name_ = printable(pattern);
  if (::fchmod(fd_.get(), mode) != 0) {
    const int saved = errno;
    ::unlink(temporary_.c_str());
    throw errno_error(name_, "set mode", saved);
  }
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : temporary_(std::move(other.temporary_)),
      name_(std::move(other.name_)),
      fd_(std::move(other.fd_)) {
  other.temporary_.clear();
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::commit(const std::filesystem::path& final_path, Durability durability) {
  ASSERT(!temporary_.empty());
  if (durability == Durability::kSync) fsync_fd(fd_.get(), name_);
  if (::rename(temporary_.c_str(), final_path.c_str()) != 0)
    throw errno_error(printable(final_path.native()), "rename into place", errno);
  temporary_.clear();
  if (durability == Durability::kSync) fsync_directory(final_path.parent_path());
}

void write_file_atomically(const std::filesystem::path& path, Bytes bytes, Durability durability,
                           mode_t mode) {
  AtomicFile file(path.parent_path(), mode);
  write_full(file.fd(), bytes, file.name());
  file.commit(path, durability);
}

}  // namespace ondemand::util
