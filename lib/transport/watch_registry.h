// SPDX-License-Identifier: Apache-2.0
//
// Which backing file is which blob.  Keyed by device and inode, since an event comes with an open
// file and paths can be renamed or unlinked under a mount (doc/KERNEL.md 4.3).
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "transport/file_target.h"
#include "transport/transport.h"
#include "transport/write_journal.h"

namespace ondemand::transport {

struct WatchedFile {
  hash::Digest digest;  // with `target` set once, before anybody else sees the entry
  std::shared_ptr<FileTarget> target;
  std::mutex marking;  // held while the mark is set or taken away
  std::atomic<bool> is_marked = false;
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> errors = 0;

  serve::BlobRef blob() const {
    const std::lock_guard lock(mutex);
    return blob_ref;
  }
  mutable std::mutex mutex;
  serve::BlobRef blob_ref;  // guarded; null: not known how to fetch it
};
using WatchedFileRef = std::shared_ptr<WatchedFile>;

class WatchRegistry {
 public:
  // `writes` is borrowed, or null.
  explicit WatchRegistry(WriteJournal* writes = nullptr) : writes_(writes) {}

  // The entry of that file: a new one, or the one that is there, now with the blob if it had none.
  // Throws kNotFound, kIo, and kCorrupt when the file is not a regular one of the blob's size, or
  // has changed its size.
  WatchedFileRef add(const BackingFile& file);
  // Null when the file is none of ours.
  WatchedFileRef find(FileKey key) const;
  std::vector<WatchedFileRef> all() const;

 private:
  WriteJournal* const writes_;
  mutable std::mutex mutex_;
  std::map<FileKey, WatchedFileRef> files_;
};

}  // namespace ondemand::transport
