// SPDX-License-Identifier: Apache-2.0
#include "source/retry.h"

#include <algorithm>
#include <mutex>
#include <random>
#include <thread>

#include "util/text.h"

namespace ondemand::source {
namespace {

class SystemClock final : public Clock {
 public:
  Deadline now() override { return std::chrono::steady_clock::now(); }
  void sleep_for(std::chrono::milliseconds duration) override {
    std::this_thread::sleep_for(duration);
  }
  std::uint32_t random() override {
    const std::lock_guard lock(mutex_);
    return static_cast<std::uint32_t>(engine_());
  }

 private:
  std::mutex mutex_;
  std::mt19937 engine_{std::random_device{}()};
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

std::chrono::milliseconds pause_before(const RetryPolicy& policy, int next, std::uint32_t random) {
  const int doublings = std::clamp(next - 2, 0, 20);
  const auto full = std::min(policy.base_pause * (std::int64_t{1} << doublings), policy.max_pause);
  const auto half = full.count() / 2;
  return std::chrono::milliseconds(half + static_cast<std::int64_t>(random) *
                                              (full.count() - half) / (std::int64_t{1} << 32));
}

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value) {
  const auto seconds = util::parse_u64(value);
  if (!seconds || *seconds > 86'400) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

void run_attempts(Clock& clock, const RetryPolicy& policy, Deadline deadline,
                  const Attempt& attempt) {
  for (int number = 1;; ++number) {
    const auto failure = attempt();
    if (!failure) return;
    if (number >= policy.attempts) throw failure->error;
    const auto own = pause_before(policy, number + 1, clock.random());
    const auto pause = std::max(own, failure->retry_after.value_or(own));
    // Compared by differences: `deadline` may be the largest time there is.
    if (pause >= deadline - clock.now()) throw failure->error;
    clock.sleep_for(pause);
  }
}

}  // namespace ondemand::source
