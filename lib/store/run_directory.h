// SPDX-License-Identifier: Apache-2.0
//
// Where one run keeps its temporary files: <store>/.tmp/<run>/, with a locked file in it for as
// long as the run lives.  A directory whose lock is free belongs to a run that was interrupted,
// and is removed by the next one.  Creating and removing happen under <store>/.lock, so that no
// run takes another's directory, made but not yet locked, for an abandoned one.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "store/file_lock.h"
#include "util/fd.h"

namespace ondemand::store {

// Names in the root of a store that are not part of the image layout.
inline constexpr const char* kTemporaryName = ".tmp";
inline constexpr const char* kLockName = ".lock";

class RunDirectory {
 public:
  // Removes what interrupted runs left in `store`, then makes a directory for this run.  Throws
  // kIo.
  explicit RunDirectory(const std::filesystem::path& store);
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  // Removes the directory with all in it, and .tmp when it was the last one.
  ~RunDirectory();

  // A path that no other call returned.  Thread: any.
  std::filesystem::path new_path();

 private:
  std::filesystem::path store_;
  std::filesystem::path path_;
  std::optional<FileLock> lock_;
  std::atomic<std::uint64_t> next_{0};
};

}  // namespace ondemand::store
