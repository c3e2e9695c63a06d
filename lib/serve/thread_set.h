// SPDX-License-Identifier: Apache-2.0
//
// Threads that come and go: each is joined soon after it ended, the rest by the destructor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace ondemand::serve {

class ThreadSet {
 public:
  ThreadSet() = default;
  ~ThreadSet() { join_all(); }
  ThreadSet(const ThreadSet&) = delete;
  ThreadSet& operator=(const ThreadSet&) = delete;

  // Throws std::system_error when no thread can be had, std::bad_alloc.  `body` must not throw.
  void start(std::function<void()> body);
  // Waits for every thread, also those that such a thread starts meanwhile; nobody else may.
  void join_all();
  std::size_t size() const;  // running or not yet joined

 private:
  void reap();

  mutable std::mutex mutex_;
  std::uint64_t next_id_ = 0;
  std::map<std::uint64_t, std::thread> threads_;
  std::vector<std::uint64_t> finished_;
};

}  // namespace ondemand::serve
