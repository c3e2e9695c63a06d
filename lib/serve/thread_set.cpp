// SPDX-License-Identifier: Apache-2.0
#include "serve/thread_set.h"

#include <utility>

namespace ondemand::serve {

void ThreadSet::start(std::function<void()> body) {
  reap();
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = next_id_++;
  // All memory first: a thread that runs cannot be taken back.
  std::thread& thread = threads_[id];
  try {
    finished_.reserve(finished_.size() + threads_.size());
    thread = std::thread([this, id, body = std::move(body)] {
      body();
      const std::lock_guard inner(mutex_);
      finished_.push_back(id);
    });
  } catch (...) {
    threads_.erase(id);
    throw;
  }
}

void ThreadSet::reap() {
  std::vector<std::thread> ended;
  {
    const std::lock_guard lock(mutex_);
    ended.reserve(finished_.size());
    for (const std::uint64_t id : finished_) {
      const auto found = threads_.find(id);
      if (found == threads_.end()) continue;
      ended.push_back(std::move(found->second));
      threads_.erase(found);
    }
    finished_.clear();
  }
  for (std::thread& thread : ended)
    thread.join();
}

void ThreadSet::join_all() {
  for (;;) {
    std::map<std::uint64_t, std::thread> all;
    {
      const std::lock_guard lock(mutex_);
      all.swap(threads_);
    }
    if (all.empty()) return;
    for (auto& [id, thread] : all)
      thread.join();
  }
}

std::size_t ThreadSet::size() const {
  const std::lock_guard lock(mutex_);
  return threads_.size();
}

}  // namespace ondemand::serve
