// SPDX-License-Identifier: Apache-2.0
#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::store {

namespace {

// 0 or the errno.
int lock(int fd, int operation) {
  while (::flock(fd, operation) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

}  // namespace

FileLock FileLock::acquire(const std::filesystem::path& path) {
  util::Fd fd = util::open_file(path, O_RDWR | O_CREAT);
  if (const int error = lock(fd.get(), LOCK_EX))
    throw util::errno_error(util::printable(path.native()), "lock", error);
  return FileLock(std::move(fd));
}

std::optional<FileLock> FileLock::try_acquire(const std::filesystem::path& path) {
  util::Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) throw util::errno_error(util::printable(path.native()), "open", errno);
  const int error = lock(fd.get(), LOCK_EX | LOCK_NB);
  if (error == EWOULDBLOCK) return std::nullopt;
  if (error != 0) throw util::errno_error(util::printable(path.native()), "lock", error);
  return FileLock(std::move(fd));
}

}  // namespace ondemand::store
