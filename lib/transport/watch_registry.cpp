// SPDX-License-Identifier: Apache-2.0
#include "transport/watch_registry.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {

using util::Error;
using util::ErrorCode;

WatchedFileRef WatchRegistry::add(const BackingFile& file) {
  const std::string name = util::printable(file.path.native());
  util::Fd fd = util::open_file(file.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw util::errno_error(name, "stat", errno);
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorCode::kCorrupt, name + ": watch: not a regular file");
  if (file.blob && file.blob->size != static_cast<std::uint64_t>(status.st_size)) {
    throw Error(ErrorCode::kCorrupt, util::concat(name, ": watch: ", status.st_size,
                                                  " bytes long, the blob has ", file.blob->size));
  }
  const std::lock_guard lock(mutex_);
  const FileKey key{status.st_dev, status.st_ino};
  WatchedFileRef entry;
  if (const auto found = files_.find(key); found != files_.end()) entry = found->second;
  if (entry && entry->target->size() != static_cast<std::uint64_t>(status.st_size)) {
    throw Error(ErrorCode::kCorrupt,
                util::concat(name, ": watch: ", status.st_size, " bytes long, it had ",
                             entry->target->size(), "; start demandd again"));
  }
  if (!entry) {
    auto made = std::make_shared<WatchedFile>();
    made->digest = file.digest;
    made->target = std::make_shared<FileTarget>(std::move(fd), name, writes_);
    entry = std::move(made);
    files_[key] = entry;
  }
  if (file.blob) {
    const std::lock_guard inner(entry->mutex);
    entry->blob_ref = file.blob;
  }
  return entry;
}

WatchedFileRef WatchRegistry::find(FileKey key) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(key);
  return found == files_.end() ? nullptr : found->second;
}

std::vector<WatchedFileRef> WatchRegistry::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<WatchedFileRef> files;
  files.reserve(files_.size());
  for (const auto& [key, file] : files_)
    files.push_back(file);
  return files;
}

}  // namespace ondemand::transport
