// SPDX-License-Identifier: Apache-2.0
//
// Which backing files may be asked for, by the name that the kernel uses.  What is not in here does
// not exist for the kernel, whatever its message says: no path from a message is ever opened.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "transport/transport.h"

namespace ondemand::transport {

struct CatalogFile {
  std::filesystem::path path;
  std::string name;        // of the path, for messages and logs
  hash::Digest digest;     // of the blob
  std::uint64_t size = 0;  // of the file; Unit: bytes
  bool is_local = false;   // complete from the beginning: nothing of it is ever fetched
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> errors = 0;

  serve::BlobRef blob() const {
    const std::lock_guard lock(mutex);
    return blob_ref;
  }
  // No hole in it.  What was found once is remembered of that file.  Throws kNotFound, kIo.
  bool is_complete() const;

  mutable std::mutex mutex;
  serve::BlobRef blob_ref;  // guarded; null: not known how to fetch it
  struct CompleteFile {
    ino_t inode = 0;
    time_t seconds = 0;
    long nanoseconds = 0;
    bool operator==(const CompleteFile&) const = default;
  };
  mutable CompleteFile complete;  // guarded
};
using CatalogFileRef = std::shared_ptr<CatalogFile>;

class FileCatalog {
 public:
  // kKernel: nobody opens the path, and a blob that is known may do without the file.
  enum class FilesOf { kCache, kKernel };
  explicit FileCatalog(FilesOf files) : files_of_(files) {}

  // A file under that name, instead of another one; the one that is there, now with the blob if it
  // had none, when it is the same.  Throws kNotFound, kIo, and kCorrupt when the file is not a
  // regular one of the blob's size.
  CatalogFileRef add(const std::string& key, const BackingFile& file, bool is_local = false);
  // Null when there is none of that name.
  CatalogFileRef find(std::string_view key) const;
  // Those that are fetched, sorted by digest.
  std::vector<WatchedFileInfo> infos() const;

 private:
  std::uint64_t size_of(const BackingFile& file, const std::string& name) const;

  const FilesOf files_of_;
  mutable std::mutex mutex_;
  std::map<std::string, CatalogFileRef, std::less<>> files_;
};

}  // namespace ondemand::transport
