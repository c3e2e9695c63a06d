// SPDX-License-Identifier: Apache-2.0
//
// How readers of cachefiles outlive us: the device stays open in the chief and the deputy, and
// what a worker had read comes again after "restore".  When all of us end, the kernel fails every
// read of what is missing; so nothing is left behind, and there is nothing to write down.
#pragma once

#include "cachefiles/device.h"
#include "transport/shared_counter.h"
#include "transport/survival.h"
#include "transport/worker_notes.h"

namespace ondemand::transport {

enum class CachefilesMode { kDemand, kOndemand };

class CachefilesSurvival : public Survival {
 public:
  // At most so many requests are refused in one go.
  static constexpr int kRefusalsAtOnce = 1024;

  // Borrows the device.  Throws kIo.
  CachefilesSurvival(cachefiles::Device& device, CachefilesMode mode)
      : device_(device), mode_(mode) {}

  // For the transport.
  WorkerNotes& notes() { return notes_; }
  // From the worker: the kernel has given up the cache.
  void note_dead() { deaths_.add(); }

  // Descriptors of objects must not outlive the worker that knows them: the kernel then opens the
  // objects anew.
  std::vector<int> descriptors() override { return {}; }
  std::uint64_t answered() const override { return notes_.answered.value(); }
  // Demand mode only.  In on-demand mode a refusal takes a descriptor, which only a worker gets:
  // readers wait for the next one, or until they are killed.
  void refuse_outstanding() override;
  void stand_in(int timeout_ms) override;
  bool is_dead() const override { return deaths_.value() > 0; }
  bool needs_guard() override { return false; }
  void prepare_guard() override {}
  void run_guard() override {}

 private:
  void refuse_what_waits();

  cachefiles::Device& device_;
  const CachefilesMode mode_;
  WorkerNotes notes_;
  SharedCounter deaths_;
};

}  // namespace ondemand::transport
