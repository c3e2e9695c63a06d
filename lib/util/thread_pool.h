// SPDX-License-Identifier: Apache-2.0
//
// A fixed number of threads over a bounded queue.  Results and exceptions reach the caller
// through futures, so work that is submitted in order can be consumed in order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace ondemand::util {

class ThreadPool {
 public:
  // Range: threads >= 1, queue_limit >= 1 (tasks waiting, not running).
  ThreadPool(std::size_t threads, std::size_t queue_limit);
  // Runs what is queued, then joins.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Blocks while the queue is full.  The future carries the result or the exception.
  template <class Function>
  auto submit(Function function) -> std::future<std::invoke_result_t<Function>> {
    using Result = std::invoke_result_t<Function>;
    auto task = std::make_shared<std::packaged_task<Result()>>(std::move(function));
    auto future = task->get_future();
    enqueue([task] { (*task)(); });
    return future;
  }

 private:
  void enqueue(std::function<void()> task);
  void run();

  const std::size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ondemand::util
