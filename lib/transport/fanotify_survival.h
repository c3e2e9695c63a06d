// SPDX-License-Identifier: Apache-2.0
//
// How readers of fanotify outlive us: the journal tells what was read and not answered, and since
// the kernel lets everybody through when the group ends, somebody must always hold and answer it.
#pragma once

#include <filesystem>

#include "transport/fanotify_group.h"
#include "transport/guard.h"
#include "transport/journal.h"
#include "transport/shared_counter.h"
#include "transport/survival.h"
#include "util/fd.h"
#include "util/log.h"

namespace ondemand::transport {

class FanotifySurvival : public Survival {
 public:
  // Borrows all but the path of the cache root.  Throws kIo.
  FanotifySurvival(std::filesystem::path root, const FanotifyGroup& group, Journal& journal,
                   util::Log& log)
      : root_(std::move(root)),
        group_(group),
        journal_(journal),
        log_(log),
        guard_(group, journal) {}

  // From a worker that watches and answers everything: sends away the guard of a demandd before
  // this one, if there is one.  Throws kTimeout.
  void relieve_guard();

  std::vector<int> descriptors() override { return journal_.descriptors(); }
  std::uint64_t answered() const override { return journal_.answered(); }
  void refuse_outstanding() override { guard_.answer_outstanding(); }
  void stand_in(int timeout_ms) override { guard_.step(timeout_ms); }
  bool is_dead() const override { return false; }
  bool needs_guard() override;
  bool has_relieved_guard() const override { return relieved_.value() > 0; }
  void prepare_guard() override;
  void run_guard() override;

 private:
  const std::filesystem::path root_;
  const FanotifyGroup& group_;
  Journal& journal_;
  util::Log& log_;
  Guard guard_;
  util::Fd guard_lock_;
  SharedCounter relieved_;
};

}  // namespace ondemand::transport
