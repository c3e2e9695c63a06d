// SPDX-License-Identifier: Apache-2.0
//
// One submitted request and the clock that ends it when its deadline passes.  Internal to serve.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

#include "source/source.h"
#include "util/error.h"

namespace ondemand::serve {

enum class Priority { kDemand, kPrefetch };

// nullopt: the whole range is present now.  Must not throw.
using Completion = std::function<void(const std::optional<util::Error>&)>;

// What is told to those who wait: the exception itself where it is one of ours, kUnavailable where
// there was no memory, else kInternal with `action` and what it says.
util::Error to_error(const std::exception& exception, std::string_view action) noexcept;

class Request {
 public:
  Request(source::Deadline deadline, Completion completion)
      : deadline_(deadline), completion_(std::move(completion)) {}

  source::Deadline deadline() const { return deadline_; }
  bool is_finished() const { return finished_.load(); }
  // The first call completes the request and returns true; every later one does nothing.
  bool finish(const std::optional<util::Error>& error);

  std::size_t frames_left = 0;  // guarded by the lane's mutex

 private:
  const source::Deadline deadline_;
  Completion completion_;
  std::atomic<bool> finished_ = false;
};
using RequestRef = std::shared_ptr<Request>;

// A thread that finishes requests with kTimeout, so that a source that does not keep to its
// deadline cannot keep a reader waiting.
class DeadlineClock {
 public:
  DeadlineClock();
  ~DeadlineClock();
  DeadlineClock(const DeadlineClock&) = delete;
  DeadlineClock& operator=(const DeadlineClock&) = delete;

  void watch(const RequestRef& request);

 private:
  void run();

  // Made beforehand: a request ends in time also where there is no memory.
  const std::optional<util::Error> timeout_ =
      util::Error(util::ErrorCode::kTimeout, "request: fetch: deadline passed");
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::multimap<source::Deadline, std::weak_ptr<Request>> pending_;
  std::thread thread_;
};

}  // namespace ondemand::serve
