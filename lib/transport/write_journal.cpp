// SPDX-License-Identifier: Apache-2.0
#include "transport/write_journal.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>

#include "cache/extents.h"
#include "util/error.h"

namespace ondemand::transport {

// `is_used` is stored last and cleared first: it alone says that the others mean something.
struct WriteJournal::Slot {
  std::atomic<bool> is_used = false;
  FileKey file;
  util::ByteRange range;
};

FileKey key_of(int fd, std::string_view name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw util::errno_error(name, "stat", errno);
  return {status.st_dev, status.st_ino};
}

WriteJournal::WriteJournal() {
  void* memory = ::mmap(nullptr, kSlots * sizeof(Slot), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    throw util::errno_error("write journal", "allocate shared memory", errno);
  slots_ = static_cast<Slot*>(memory);
  for (std::size_t i = 0; i < kSlots; ++i)
    new (slots_ + i) Slot{};
}

WriteJournal::~WriteJournal() {
  ::munmap(slots_, kSlots * sizeof(Slot));
}

std::size_t WriteJournal::begin(FileKey file, util::ByteRange range) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kSlots; ++i) {
    Slot& slot = slots_[i];
    if (slot.is_used.load(std::memory_order_relaxed)) continue;
    slot.file = file;
    slot.range = range;
    slot.is_used.store(true, std::memory_order_release);
    return i;
  }
  throw util::Error(util::ErrorCode::kUnavailable, "write journal: note a write: it is full");
}

void WriteJournal::end(std::size_t slot) {
  const std::lock_guard lock(mutex_);
  slots_[slot].is_used.store(false, std::memory_order_release);
}

std::vector<WriteJournal::Entry> WriteJournal::entries(FileKey file) const {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> found;
  for (std::size_t i = 0; i < kSlots; ++i)
    if (slots_[i].is_used.load(std::memory_order_acquire) && slots_[i].file == file)
      found.push_back({i, slots_[i].range});
  return found;
}

bool is_present(int fd, util::ByteRange range, const WriteJournal& writes, std::string_view name) {
  if (range.empty()) return true;
  const auto noted = writes.entries(key_of(fd, name));
  const bool is_noted =
      std::any_of(noted.begin(), noted.end(), [&](const WriteJournal::Entry& entry) {
        return entry.range.offset < range.end() && range.offset < entry.range.end();
      });
  return !is_noted && cache::missing_ranges(fd, range, name).empty();
}

}  // namespace ondemand::transport
