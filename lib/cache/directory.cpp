// SPDX-License-Identifier: Apache-2.0
#include "cache/directory.h"

#include <sys/stat.h>

#include <cerrno>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::cache {

void ensure_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return;
  const int error = errno;
  struct stat status {};
  if (error != EEXIST || ::lstat(path.c_str(), &status) != 0)
    throw util::errno_error(util::printable(path.native()), "create directory", error);
  if (!S_ISDIR(status.st_mode))
    throw util::Error(util::ErrorCode::kCorrupt,
                      util::printable(path.native()) +
                          ": create directory: something else has that name; remove it");
}

}  // namespace ondemand::cache
