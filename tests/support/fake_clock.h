// SPDX-License-Identifier: Apache-2.0
//
// A clock whose sleeps pass at once and whose chance is fixed.
#pragma once

#include <mutex>
#include <vector>

#include "source/retry.h"

namespace ondemand::test {

class FakeClock : public source::Clock {
 public:
  source::Deadline now() override {
    const std::lock_guard lock(mutex_);
    return std::chrono::steady_clock::now() + passed_;
  }
  void sleep_for(std::chrono::milliseconds duration) override {
    const std::lock_guard lock(mutex_);
    passed_ += duration;
    pauses_.push_back(duration.count());
  }
  std::uint32_t random() override { return 0; }

  std::vector<std::int64_t> pauses() const {  // Unit: milliseconds
    const std::lock_guard lock(mutex_);
    return pauses_;
  }

 private:
  mutable std::mutex mutex_;
  std::chrono::milliseconds passed_{0};
  std::vector<std::int64_t> pauses_;
};

}  // namespace ondemand::test
