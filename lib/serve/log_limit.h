// SPDX-License-Identifier: Apache-2.0
//
// Lets one line about the same thing through per period, and counts the others.
//
// Thread: every member may be called from many threads at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace ondemand::serve {

class LogLimit {
 public:
  explicit LogLimit(std::chrono::milliseconds period = std::chrono::seconds(10))
      : period_(period) {}

  // nullopt: say nothing now.  Else how many were held back since the last line.
  std::optional<std::uint64_t> pass(const std::string& key) {
    constexpr std::size_t kMostKeys = 4096;  // then it begins anew, rather than grow
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kMostKeys) known_.clear();
    const auto [found, is_new] = known_.try_emplace(key);
    if (!is_new && now - found->second.last < period_) {
      ++found->second.held_back;
      return std::nullopt;
    }
    const std::uint64_t held_back = found->second.held_back;
    found->second = {now, 0};
    return held_back;
  }

 private:
  struct Known {
    std::chrono::steady_clock::time_point last;
    std::uint64_t held_back = 0;
  };
  const std::chrono::milliseconds period_;
  std::mutex mutex_;
  std::map<std::string, Known> known_;
};

}  // namespace ondemand::serve
