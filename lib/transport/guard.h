// SPDX-License-Identifier: Apache-2.0
//
// Answers events without a network: what is present may be read, what is missing is EIO.  Stands
// in while no worker runs, so that no reader ever gets zeros (doc/ARCHITECTURE.md, invariant 2).
//
// Thread: one.
#pragma once

#include "transport/fanotify_group.h"
#include "transport/journal.h"

namespace ondemand::transport {

class Guard {
 public:
  // Borrows both.  Nobody else uses the journal meanwhile.
  Guard(const FanotifyGroup& group, Journal& journal) : group_(group), journal_(journal) {}

  // Answers what a worker that died has left.
  void answer_outstanding();
  // Waits up to `timeout_ms` for events and answers those that are there.  Returns how many.
  std::size_t step(int timeout_ms);
  // Before the group may be closed with files still in use: takes all marks away and answers until
  // no event came for a while, since the kernel lets through what waits when a group ends.
  void retire();

  std::uint64_t refused() const { return refused_; }

 private:
  void answer(const Journal::Pending& pending);

  const FanotifyGroup& group_;
  Journal& journal_;
  std::uint64_t refused_ = 0;
};

}  // namespace ondemand::transport
