// SPDX-License-Identifier: Apache-2.0
#include "transport/file_catalog.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::transport {

using util::Error;
using util::ErrorCode;

bool CatalogFile::is_complete() const {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) throw util::errno_error(name, "look up", errno);
  // The file may have been made anew; a new one can have the number of the old one, but not the
  // time as well.
  const CompleteFile found{status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
  {
    const std::lock_guard lock(mutex);
    if (complete == found) return true;
  }
  const util::Fd fd = util::open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const off_t hole = ::lseek(fd.get(), 0, SEEK_HOLE);
  if (hole < 0 && errno != ENXIO) throw util::errno_error(name, "look for holes", errno);
  const bool is_whole = hole < 0 || static_cast<std::uint64_t>(hole) >= size;
  const std::lock_guard lock(mutex);
  if (is_whole) complete = found;
  return is_whole;
}

std::uint64_t FileCatalog::size_of(const BackingFile& file, const std::string& name) const {
  struct stat status {};
  if (::lstat(file.path.c_str(), &status) != 0) {
    if (errno == ENOENT && files_of_ == FilesOf::kKernel && file.blob) return file.blob->size;
    throw util::errno_error(name, "look up", errno);
  }
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorCode::kCorrupt, name + ": watch: not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (file.blob && file.blob->size != size) {
    throw Error(ErrorCode::kCorrupt, util::concat(name, ": watch: ", size,
                                                  " bytes long, the blob has ", file.blob->size));
  }
  return size;
}

CatalogFileRef FileCatalog::add(const std::string& key, const BackingFile& file, bool is_local) {
  const std::string name = util::printable(file.path.native());
  const std::uint64_t size = size_of(file, name);
  const std::lock_guard lock(mutex_);
  CatalogFileRef& entry = files_[key];
  const bool is_same = entry && entry->path == file.path && entry->digest == file.digest &&
                       entry->size == size && entry->is_local == is_local;
  if (!is_same) {
    auto made = std::make_shared<CatalogFile>();
    made->path = file.path;
    made->name = name;
    made->digest = file.digest;
    made->size = size;
    made->is_local = is_local;
    entry = std::move(made);
  }
  if (file.blob) {
    const std::lock_guard inner(entry->mutex);
    entry->blob_ref = file.blob;
  }
  return entry;
}

CatalogFileRef FileCatalog::find(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(key);
  return found == files_.end() ? nullptr : found->second;
}

std::vector<WatchedFileInfo> FileCatalog::infos() const {
  std::vector<CatalogFileRef> files;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, file] : files_)
      if (!file->is_local) files.push_back(file);
  }
  std::vector<WatchedFileInfo> infos;
  for (const CatalogFileRef& file : files) {
    bool is_complete = false;
    try {
      is_complete = file->is_complete();
    } catch (const Error&) {
      // It was removed; then it is not complete.
    }
    infos.push_back({file->digest, file->size, is_complete, file->requests, file->errors});
  }
  std::sort(infos.begin(), infos.end(),
            [](const WatchedFileInfo& a, const WatchedFileInfo& b) { return a.digest < b.digest; });
  return infos;
}

}  // namespace ondemand::transport
