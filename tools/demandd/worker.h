// SPDX-License-Identifier: Apache-2.0
//
// The process that does the work: sources, engine, transport, control socket.
#pragma once

#include <functional>

#include "cache/cache_root.h"
#include "demandd/kernel_side.h"
#include "demandd/options.h"
#include "util/log.h"

namespace ondemand::demandd {

// What the main process made before there was a worker.  Borrows all.
struct WorkerWorld {
  const Options& options;
  const cache::CacheRoot& root;
  KernelSide& kernel;
  util::Log& log;
};

// Serves until `stop_fd` is readable, drains, returns the exit status; also when the kernel has
// given up its side, with status 1.  Calls `ready` once.  Throws
// when it cannot begin.  The process must end soon after it returned: threads may still wait
// for an origin that is slow.
int run_worker(const WorkerWorld& world, int stop_fd, const std::function<void()>& ready);

}  // namespace ondemand::demandd
