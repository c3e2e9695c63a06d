// SPDX-License-Identifier: Apache-2.0
#include "transport/journal.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "transport/fanotify_abi.h"
#include "util/error.h"

namespace ondemand::transport {

namespace {
// An event without a range has no record; one with a range is twice as long.
constexpr std::size_t kReadBytes = Journal::kEventsPerRead * abi::kMetadataBytes;
}  // namespace

// The descriptor is stored last and cleared first: it alone says that a slot is in use.
struct Journal::Slot {
  std::atomic<int> fd;
  int pid;
  std::uint32_t replays;
  std::uint32_t has_range;
  std::uint64_t mask;
  std::uint64_t offset;
  std::uint64_t count;
};

struct Journal::Shared {
  std::atomic<std::uint64_t> answered;
  // Followed by `readers` buffers of kReadBytes and by `slots` slots.
  std::uint8_t* buffer(std::size_t i) {
    return reinterpret_cast<std::uint8_t*>(this) + sizeof(Shared) + i * kReadBytes;
  }
  Slot* slot(std::size_t readers, std::size_t i) {
    return reinterpret_cast<Slot*>(buffer(readers)) + i;
  }
};

std::size_t Journal::bytes() const {
  return sizeof(Shared) + readers_ * kReadBytes + slots_ * sizeof(Slot);
}

Journal::Journal(std::size_t readers, std::size_t slots) : readers_(readers), slots_(slots) {
  ASSERT(slots >= readers * kEventsPerRead);
  static_assert(kReadBytes % alignof(Slot) == 0 && sizeof(Shared) % alignof(Slot) == 0);
  static_assert(std::atomic<int>::is_always_lock_free);
  void* memory =
      ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw util::errno_error("journal", "allocate shared memory", errno);
  shared_ = new (memory) Shared{};
  for (std::size_t i = 0; i < slots_; ++i) {
    new (shared_->slot(readers_, i)) Slot{};
    shared_->slot(readers_, i)->fd = -1;
  }
  recover();
}

Journal::~Journal() {
  ::munmap(shared_, bytes());
}

bool Journal::reserve() {
  const std::lock_guard lock(mutex_);
  if (free_.size() < reserved_ + kEventsPerRead) return false;
  reserved_ += kEventsPerRead;
  return true;
}

void Journal::unreserve() {
  const std::lock_guard lock(mutex_);
  reserved_ -= kEventsPerRead;
}

util::MutableBytes Journal::buffer(std::size_t reader) {
  return {shared_->buffer(reader), kReadBytes};
}

// Caller holds the mutex.
std::size_t Journal::put(const Event& event) {
  ASSERT(!free_.empty());
  const std::size_t index = free_.back();
  free_.pop_back();
  Slot* slot = shared_->slot(readers_, index);
  // free_ is this process's own: after another one has written, recover() comes first.
  ASSERT(slot->fd.load(std::memory_order_acquire) < 0);
  slot->pid = event.pid;
  slot->replays = 0;
  slot->has_range = event.has_range ? 1 : 0;
  slot->mask = event.mask;
  slot->offset = event.range.offset;
  slot->count = event.range.len;
  slot->fd.store(event.fd, std::memory_order_release);
  return index;
}

Journal::Batch Journal::accept(std::size_t reader, std::size_t len) noexcept {
  const util::MutableBytes bytes = buffer(reader);
  EventDecoder decoder(bytes.first(std::min(len, bytes.size())));
  Batch batch;
  {
    const std::lock_guard lock(mutex_);
    for (Event event; decoder.next(event); ++batch.count)
      batch.events[batch.count] = {put(event), event, 0};
    reserved_ -= kEventsPerRead;
  }
  batch.malformed = decoder.malformed();
  batch.overflows = decoder.overflows();
  // From here on the slots tell it; before, a successor would have read the buffer.
  // Stores of one thread become visible in their order when it is killed; only the compiler must
  // keep it.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memset(bytes.data(), 0, bytes.size());
  return batch;
}

// free_ has had room for all slots since the constructor.
void Journal::done(std::size_t slot) noexcept {
  shared_->answered.fetch_add(1, std::memory_order_relaxed);
  shared_->slot(readers_, slot)->fd.store(-1, std::memory_order_release);
  const std::lock_guard lock(mutex_);
  free_.push_back(slot);
}

std::vector<Journal::Pending> Journal::recover() {
  const std::lock_guard lock(mutex_);
  std::vector<Pending> pending;
  std::vector<int> known;
  free_.clear();
  reserved_ = 0;
  for (std::size_t i = slots_; i-- > 0;) {
    Slot* slot = shared_->slot(readers_, i);
    const int fd = slot->fd.load(std::memory_order_acquire);
    if (fd < 0) {
      free_.push_back(i);
      continue;
    }
    ++slot->replays;
    known.push_back(fd);
    const Event event{fd, slot->mask, slot->pid, slot->has_range != 0, {slot->offset, slot->count}};
    pending.push_back({i, event, slot->replays});
  }
  for (std::size_t reader = 0; reader < readers_; ++reader) {
    const util::MutableBytes bytes = buffer(reader);
    for (const Event& event : decode_events(bytes).events) {
      if (std::find(known.begin(), known.end(), event.fd) != known.end()) continue;
      pending.push_back({put(event), event, 0});
    }
    std::memset(bytes.data(), 0, bytes.size());
  }
  return pending;
}

std::vector<int> Journal::descriptors() {
  std::vector<int> fds;
  for (std::size_t i = 0; i < slots_; ++i) {
    const int fd = shared_->slot(readers_, i)->fd.load(std::memory_order_acquire);
    if (fd >= 0) fds.push_back(fd);
  }
  for (std::size_t reader = 0; reader < readers_; ++reader)
    for (const Event& event : decode_events(buffer(reader)).events)
      fds.push_back(event.fd);
  return fds;
}

std::size_t Journal::outstanding() const {
  const std::lock_guard lock(mutex_);
  return slots_ - free_.size();
}

std::uint64_t Journal::answered() const {
  return shared_->answered.load();
}

}  // namespace ondemand::transport
