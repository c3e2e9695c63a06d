// SPDX-License-Identifier: Apache-2.0
//
// Which requests the kernel has given to workers and has no answer to, in memory that outlives the
// worker: one that many workers had when they died is likely what they died of, and must not be
// served once more.  A worker that somebody else killed counts as well: SIGKILL is also how the
// kernel ends one that a request has made too large, and answers to others prove nothing.
//
// Bounded: where more requests are on their way than there is room for, some are counted only when
// others have been refused; so workers do not die for ever then either.
// Thread: every member may be called from many threads of one process; two processes never use it
// at the same time (the supervisor sees to that).
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace ondemand::transport {

class GivenRequests {
 public:
  // A request that more workers than this were given is to be refused.
  static constexpr std::uint32_t kMaxWorkers = 16;

  // `id` may be used again once it is answered; `detail` tells such requests apart.
  struct Key {
    std::uint64_t id = 0;
    std::uint64_t detail = 0;
    bool operator==(const Key&) const = default;
  };

  // The memory is shared with every process that is made from this one later.  Throws kIo.
  GivenRequests();
  ~GivenRequests();
  GivenRequests(const GivenRequests&) = delete;
  GivenRequests& operator=(const GivenRequests&) = delete;

  // In a worker, before its first request.
  void begin_worker() noexcept;
  // How many workers were given it, this one included.
  std::uint32_t note_given(const Key& key) noexcept;
  void note_answered(const Key& key) noexcept;

 private:
  struct Slot;
  struct Shared;
  Slot* find(const Key& key) noexcept;

  std::mutex mutex_;
  Shared* shared_ = nullptr;
};

}  // namespace ondemand::transport
