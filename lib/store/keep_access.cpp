// SPDX-License-Identifier: Apache-2.0
#include "store/keep_access.h"

#include <sys/stat.h>
#include <unistd.h>

namespace ondemand::store {

void keep_access(int fd, const std::filesystem::path& replaced) {
  struct stat old {};
  if (::lstat(replaced.c_str(), &old) != 0 || !S_ISREG(old.st_mode)) return;
  constexpr uid_t kAsItIs = static_cast<uid_t>(-1);
  mode_t mode = (old.st_mode & 0777U) | S_IRUSR;  // a file that nobody can read is mended
  // Only root gives files away; others give them to their groups.
  if (::fchown(fd, old.st_uid, old.st_gid) != 0 && ::fchown(fd, kAsItIs, old.st_gid) != 0)
    mode = (mode & 0707U) | ((mode & 07U) << 3U);
  [[maybe_unused]] const int best_effort = ::fchmod(fd, mode);
}

}  // namespace ondemand::store
