// SPDX-License-Identifier: Apache-2.0
//
// An exclusive flock(2) on a lock file, held as long as the object lives.  The file itself stays:
// removing it would let two processes hold "the" lock at once.
#pragma once

#include <filesystem>
#include <optional>

#include "util/fd.h"

namespace ondemand::store {

class FileLock {
 public:
  // Creates the file when it is not there and waits for the lock.  Throws kIo.
  static FileLock acquire(const std::filesystem::path& path);
  // nullopt when somebody else holds it, or the file does not exist.  Throws kIo.
  static std::optional<FileLock> try_acquire(const std::filesystem::path& path);

 private:
  explicit FileLock(util::Fd fd) : fd_(std::move(fd)) {}
  util::Fd fd_;
};

}  // namespace ondemand::store
