// SPDX-License-Identifier: Apache-2.0
#include "util/thread_pool.h"

#include <string>
#include <system_error>

#include "util/error.h"

namespace ondemand::util {

ThreadPool::ThreadPool(std::size_t threads, std::size_t queue_limit) : queue_limit_(queue_limit) {
  ASSERT(threads >= 1 && queue_limit >= 1);
  threads_.reserve(threads);
  try {
    for (std::size_t i = 0; i < threads; ++i)
      threads_.emplace_back([this] { run(); });
  } catch (const std::system_error& error) {
    // Fewer threads only take longer; none at all is a failure.
    if (threads_.empty())
      throw Error(ErrorCode::kIo, std::string("threads: start: ") + error.what());
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  not_empty_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
}

void ThreadPool::enqueue(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  not_full_.wait(lock, [this] { return queue_.size() < queue_limit_; });
  queue_.push_back(std::move(task));
  lock.unlock();
  not_empty_.notify_one();
}

void ThreadPool::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    auto task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    not_full_.notify_one();
    task();
  }
}

}  // namespace ondemand::util
