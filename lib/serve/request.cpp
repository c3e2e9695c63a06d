// SPDX-License-Identifier: Apache-2.0
#include "serve/request.h"

namespace ondemand::serve {

bool Request::finish(const std::optional<util::Error>& error) {
  if (finished_.exchange(true)) return false;
  const Completion completion = std::move(completion_);
  completion(error);
  return true;
}

DeadlineClock::DeadlineClock() : thread_([this] { run(); }) {}

DeadlineClock::~DeadlineClock() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DeadlineClock::watch(const RequestRef& request) {
  bool earliest = false;
  {
    const std::lock_guard lock(mutex_);
    // Those that were answered long ago need not wait here for a deadline of theirs.
    while (!pending_.empty()) {
      const auto first = pending_.begin()->second.lock();
      if (first && !first->is_finished()) break;
      pending_.erase(pending_.begin());
    }
    earliest = pending_.empty() || request->deadline() < pending_.begin()->first;
    pending_.emplace(request->deadline(), request);
  }
  if (earliest) changed_.notify_all();
}

void DeadlineClock::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (pending_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = pending_.begin();
    if (std::chrono::steady_clock::now() < first->first) {
      changed_.wait_until(lock, source::Deadline(first->first));
      continue;
    }
    const RequestRef request = first->second.lock();
    pending_.erase(first);
    if (!request || request->is_finished()) continue;
    lock.unlock();
    request->finish(util::Error(util::ErrorCode::kTimeout, "request: fetch: deadline passed"));
    lock.lock();
  }
}

}  // namespace ondemand::serve
