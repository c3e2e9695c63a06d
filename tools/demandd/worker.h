// SPDX-License-Identifier: Apache-2.0
//
// The process that does the work: sources, engine, transport, control socket.
#pragma once

#include <functional>

#include "cache/cache_root.h"
#include "demandd/options.h"
#include "transport/fanotify_group.h"
#include "transport/journal.h"
#include "util/log.h"

namespace ondemand::demandd {

// What the main process made before there was a worker.  Borrows all.
struct WorkerWorld {
  const Options& options;
  const cache::CacheRoot& root;
  const transport::FanotifyGroup& group;
  transport::Journal& journal;
  util::Log& log;
};

// Serves until `stop_fd` is readable, drains, returns the exit status.  Calls `ready` once.  Throws
// when it cannot begin.  The process must end soon after it returned: threads may still wait
// for an origin that is slow.
int run_worker(const WorkerWorld& world, int stop_fd, const std::function<void()>& ready);

}  // namespace ondemand::demandd
