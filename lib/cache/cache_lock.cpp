// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <system_error>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

CacheLock::CacheLock(const std::filesystem::path& root)
    : fd_(util::open_file(root / "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600)) {
  while (::flock(fd_.get(), LOCK_EX) != 0)
    if (errno != EINTR)
      throw util::errno_error(util::printable((root / "lock").native()), "lock", errno);
}

void remove_leftovers(const std::filesystem::path& temporary_directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(temporary_directory, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code ignored;  // a directory or a race: not ours, and no reason to fail
    std::filesystem::remove(entry->path(), ignored);
  }
}

}  // namespace ondemand::cache
