// SPDX-License-Identifier: Apache-2.0
#include "transport/watch_ender.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace ondemand::transport {

WatchEnder::~WatchEnder() {
  stop();
}

void WatchEnder::add(const WatchedFileRef& file) {
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || std::find(files_.begin(), files_.end(), file) != files_.end()) return;
    files_.push_back(file);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  changed_.notify_all();
}

void WatchEnder::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void WatchEnder::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_stopping_ || !files_.empty(); });
    if (is_stopping_) return;
    // Taken out first: who adds it from now on knows more than what is looked at here.
    const WatchedFileRef file = std::move(files_.front());
    files_.pop_front();
    lock.unlock();
    end_watch(file);
    lock.lock();
  }
}

void WatchEnder::end_watch(const WatchedFileRef& file) {
  try {
    const std::lock_guard lock(file->marking);
    if (!file->is_marked || !file->target->is_complete_and_synced()) return;
    file->is_marked = false;
    group_.unmark(file->target->query_fd());
    log_.info("blob complete", {{"blob", file->digest.hex()}, {"bytes", file->target->size()}});
  } catch (const std::exception& error) {
    log_.warning("watch of a complete blob not ended", {{"reason", error.what()}});
  }
}

}  // namespace ondemand::transport
