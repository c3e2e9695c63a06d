// SPDX-License-Identifier: Apache-2.0
//
// Which events were read and not yet answered, in memory that outlives the process that reads
// them, so that the next process can answer for it.
//
// The group is read directly into that memory: the kernel copies an event out before it counts it
// as delivered, so none is ever known to the dead process alone.  An entry ends after its answer is
// written and before its descriptor is closed; so no number in the journal is ever reused, and an
// answer that is given twice hits nobody.
// Source: doc/KERNEL.md 4.6 (tried with 2,200 kills).
//
// Thread: every member may be called from many threads of one process; two processes never use
// the journal at the same time (the supervisor sees to that).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "transport/event_codec.h"
#include "transport/write_journal.h"
#include "util/bytes.h"

namespace ondemand::transport {

class Journal {
 public:
  // Range: slots >= readers * kEventsPerRead.  Throws kIo.  The memory is shared with every
  // process that is made from this one later.
  Journal(std::size_t readers, std::size_t slots);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // As many as a buffer can hold; half of that where all have a range.
  static constexpr std::size_t kEventsPerRead = 16;

  // An event that waits for its answer.
  struct Pending {
    std::size_t slot = 0;
    Event event;
    std::uint32_t replays = 0;  // how many processes died while it waited
  };

  // What one read gave.
  struct Batch {
    std::array<Pending, kEventsPerRead> events;
    std::size_t count = 0;
    std::size_t malformed = 0;  // see DecodedEvents
    std::size_t overflows = 0;
    const Pending* begin() const { return events.data(); }
    const Pending* end() const { return events.data() + count; }
  };

  // Reserves room for one read; false when the journal is full (then read nothing, wait).
  bool reserve();
  void unreserve();
  // Where reader number `reader` reads to; all zero.  Range: reader < readers.
  util::MutableBytes buffer(std::size_t reader);
  // Takes over the first `len` bytes of the buffer and clears it.  Ends the reservation.  Needs no
  // memory: who waits must be answered also where there is none.
  Batch accept(std::size_t reader, std::size_t len) noexcept;
  // The event is answered.  Close its descriptor after this, not before.
  void done(std::size_t slot) noexcept;

  // For a successor: everything that a predecessor left, each with one more replay.  Forgets
  // all reservations.
  std::vector<Pending> recover();
  // Descriptors of all that is outstanding; for the supervisor, which closes the others.
  std::vector<int> descriptors();
  std::size_t outstanding() const;
  // Answers since the journal was made.  Tells a process that gets on from one that does not.
  std::uint64_t answered() const;
  // What the same processes write to backing files.
  WriteJournal& writes() { return writes_; }

 private:
  struct Slot;
  struct Shared;
  std::size_t bytes() const;
  std::size_t put(const Event& event);

  const std::size_t readers_;
  const std::size_t slots_;
  Shared* shared_ = nullptr;
  mutable std::mutex mutex_;
  std::vector<std::size_t> free_;
  std::size_t reserved_ = 0;
  WriteJournal writes_;
};

}  // namespace ondemand::transport
