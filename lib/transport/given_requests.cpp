// SPDX-License-Identifier: Apache-2.0
#include "transport/given_requests.h"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <new>

#include "util/error.h"

namespace ondemand::transport {

namespace {

constexpr std::size_t kSlots = 1024;
// How many places a request may have.
constexpr std::size_t kPlaces = 16;

std::size_t first_place(const GivenRequests::Key& key) {
  const std::uint64_t mixed =
      (key.id * 0x9e3779b97f4a7c15U + (key.detail >> 12)) * 0x9e3779b97f4a7c15U;
  return static_cast<std::size_t>(mixed >> 32) % kSlots;
}

}  // namespace

struct GivenRequests::Slot {
  Key key;
  std::uint32_t worker = 0;   // the last one that was given it, counted from 1
  std::uint32_t workers = 0;  // 0: free
};

struct GivenRequests::Shared {
  std::uint32_t worker = 0;
  std::array<Slot, kSlots> slots;
};

GivenRequests::GivenRequests() {
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw util::errno_error("requests", "allocate shared memory", errno);
  shared_ = new (memory) Shared{};
}

GivenRequests::~GivenRequests() {
  ::munmap(shared_, sizeof(Shared));
}

void GivenRequests::begin_worker() noexcept {
  const std::lock_guard lock(mutex_);
  ++shared_->worker;
}

GivenRequests::Slot* GivenRequests::find(const Key& key) noexcept {
  for (std::size_t i = 0; i < kPlaces; ++i) {
    Slot& slot = shared_->slots[(first_place(key) + i) % kSlots];
    if (slot.workers > 0 && slot.key == key) return &slot;
  }
  return nullptr;
}

std::uint32_t GivenRequests::note_given(const Key& key) noexcept {
  const std::lock_guard lock(mutex_);
  if (Slot* const known = find(key)) {
    // Twice for one worker: the reader was killed, and this is another request.
    known->workers = known->worker == shared_->worker ? 1 : known->workers + 1;
    known->worker = shared_->worker;
    return known->workers;
  }
  Slot* place = nullptr;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    Slot& slot = shared_->slots[(first_place(key) + i) % kSlots];
    if (slot.workers == 0) {
      place = &slot;
      break;
    }
    // What the last worker was not given has gone another way.
    if (place == nullptr && slot.worker + 1 < shared_->worker) place = &slot;
  }
  if (place != nullptr) *place = {key, shared_->worker, 1};
  return 1;
}

void GivenRequests::note_answered(const Key& key) noexcept {
  const std::lock_guard lock(mutex_);
  if (Slot* const slot = find(key)) slot->workers = 0;
}

}  // namespace ondemand::transport
