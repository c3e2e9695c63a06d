// SPDX-License-Identifier: Apache-2.0
#include "store/run_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::store {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRunLockName = "lock";

void make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST)
    throw util::errno_error(util::printable(path.native()), "create directory", errno);
}

// Best effort: what cannot be removed now is tried again by the next run.
void remove_abandoned(const fs::path& temporary) {
  std::error_code error;
  for (fs::directory_iterator entry(temporary, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path lock = entry->path() / kRunLockName;
    const bool has_lock = fs::exists(lock, error);
    if (has_lock && !FileLock::try_acquire(lock)) continue;
    fs::remove_all(entry->path(), error);
    error.clear();
  }
}

// The process id makes the name readable; the number makes it unique where several containers, or
// several stores of one process, share the directory.
fs::path make_run_directory(const fs::path& temporary) {
  for (std::uint64_t number = 0;; ++number) {
    fs::path path = temporary / util::concat(::getpid(), "-", number);
    if (::mkdir(path.c_str(), 0777) == 0) return path;
    if (errno != EEXIST)
      throw util::errno_error(util::printable(path.native()), "create directory", errno);
  }
}

}  // namespace

RunDirectory::RunDirectory(const fs::path& store) : store_(store) {
  const FileLock guard = FileLock::acquire(store_ / kLockName);
  const fs::path temporary = store_ / kTemporaryName;
  remove_abandoned(temporary);
  make_directory(temporary);
  path_ = make_run_directory(temporary);
  lock_ = FileLock::acquire(path_ / kRunLockName);
}

RunDirectory::~RunDirectory() {
  // Nothing here may throw; what stays behind is removed by the next run.
  std::error_code error;
  try {
    const FileLock guard = FileLock::acquire(store_ / kLockName);
    fs::remove_all(path_, error);
    ::rmdir((store_ / kTemporaryName).c_str());
  } catch (const util::Error&) {
    fs::remove_all(path_, error);
  }
}

fs::path RunDirectory::new_path() {
  return path_ / util::concat("blob-", next_.fetch_add(1));
}

}  // namespace ondemand::store
