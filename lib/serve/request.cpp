// SPDX-License-Identifier: Apache-2.0
#include "serve/request.h"

#include <new>

#include "util/text.h"

namespace ondemand::serve {

util::Error to_error(const std::exception& exception, std::string_view action) noexcept {
  try {
    if (const auto* error = dynamic_cast<const util::Error*>(&exception)) return *error;
    if (dynamic_cast<const std::bad_alloc*>(&exception) == nullptr)
      return util::Error(util::ErrorCode::kInternal, util::concat(action, exception.what()));
  } catch (const std::exception&) {
    // No memory to tell what it was.
  }
  // So short that its text needs none.
  return util::Error(util::ErrorCode::kUnavailable, "out of memory");
}

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
    request->finish(timeout_);
    lock.lock();
  }
}

}  // namespace ondemand::serve
