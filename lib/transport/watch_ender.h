// SPDX-License-Identifier: Apache-2.0
//
// Takes the mark away from files that are complete, on a thread of its own: it makes sure first
// that the whole file has reached the disk, and no reader waits for that.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "transport/fanotify_group.h"
#include "transport/watch_registry.h"
#include "util/log.h"

namespace ondemand::transport {

class WatchEnder {
 public:
  // Borrows both.
  WatchEnder(const FanotifyGroup& group, util::Log& log) : group_(group), log_(log) {}
  ~WatchEnder();
  WatchEnder(const WatchEnder&) = delete;
  WatchEnder& operator=(const WatchEnder&) = delete;

  // The file looks complete.
  void add(const WatchedFileRef& file);
  // Ends the thread; what was not looked at stays marked.
  void stop();

 private:
  void run();
  void end_watch(const WatchedFileRef& file);

  const FanotifyGroup& group_;
  util::Log& log_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<WatchedFileRef> files_;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace ondemand::transport
