// SPDX-License-Identifier: Apache-2.0
//
// Which blocks of which backing files are being written, in memory that outlives the process that
// writes them.
//
// A write that fails for want of room leaves zeroed blocks that the file system counts as data
// (seen on ext4), and a process may be killed before it takes them away again.  So what is noted
// here is missing, whatever the file system says, until it was written whole or made a hole.
//
// Thread: every member may be called from many threads of one process; two processes never write
// backing files at the same time (the supervisor sees to that).
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "util/units.h"

namespace ondemand::transport {

struct FileKey {
  dev_t device = 0;
  ino_t inode = 0;
  auto operator<=>(const FileKey&) const = default;
};

// Throws kIo.
FileKey key_of(int fd, std::string_view name);

class WriteJournal {
 public:
  // Far more than there are threads that write.
  static constexpr std::size_t kSlots = 512;

  struct Entry {
    std::size_t slot = 0;
    util::ByteRange range;
  };

  // Throws kIo.  The memory is shared with every process that is made from this one later.
  WriteJournal();
  ~WriteJournal();
  WriteJournal(const WriteJournal&) = delete;
  WriteJournal& operator=(const WriteJournal&) = delete;

  // Before the first byte of the range is written.  Throws kUnavailable when it is full.
  std::size_t begin(FileKey file, util::ByteRange range);
  // The range is whole now, or a hole.
  void end(std::size_t slot);
  // What is noted for a file.
  std::vector<Entry> entries(FileKey file) const;

 private:
  struct Slot;
  Slot* slots_ = nullptr;
  mutable std::mutex mutex_;
};

// The whole range of that file can be read: no hole in it and nothing noted.  Throws kIo.
bool is_present(int fd, util::ByteRange range, const WriteJournal& writes, std::string_view name);

}  // namespace ondemand::transport
