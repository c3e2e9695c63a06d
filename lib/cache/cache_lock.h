// SPDX-License-Identifier: Apache-2.0
//
// The lock of those who change a cache root's set of files (prepare, cull).
#pragma once

#include <filesystem>

#include "util/fd.h"

namespace ondemand::cache {

// Holds <root>/lock exclusively until destroyed; waits for another holder.  Throws kIo.
class CacheLock {
 public:
  explicit CacheLock(const std::filesystem::path& root);

 private:
  util::Fd fd_;
};

// Removes what an interrupted run left in a temporary directory.  Caller holds the lock.
void remove_leftovers(const std::filesystem::path& temporary_directory);

}  // namespace ondemand::cache
