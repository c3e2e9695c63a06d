// SPDX-License-Identifier: Apache-2.0
//
// What a kernel interface needs in order that its readers outlive the deaths of our processes: what
// the supervisor must keep, what it does while no worker runs, and what is left behind at the end.
//
// Thread: one of each process; never two processes at the same time, except answered().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace ondemand::transport {

class Survival {
 public:
  virtual ~Survival() = default;

  // Descriptors that came after the supervisor began and that the next worker needs.
  virtual std::vector<int> descriptors() = 0;
  // Answers since the beginning.  Tells a worker that gets on from one that does not.
  virtual std::uint64_t answered() const = 0;
  // Refuses what a worker that died has read and not answered.
  virtual void refuse_outstanding() = 0;
  // Answers without a worker for about that long.  Unit: milliseconds.
  virtual void stand_in(int timeout_ms) = 0;
  // Nothing that a new worker does could help any more.
  virtual bool is_dead() const = 0;

  // True when somebody would be given wrong data if all our processes ended now.
  virtual bool needs_guard() = 0;
  // A worker has sent away the guard of a demandd before this one: whom that guarded depends on us
  // from then on, also where no worker ever gets ready.
  virtual bool has_relieved_guard() const { return false; }
  // The process that stays behind.  prepare_guard() comes first, in the same process; what it
  // throws ends that process.
  virtual void prepare_guard() = 0;
  virtual void run_guard() = 0;
};

}  // namespace ondemand::transport
