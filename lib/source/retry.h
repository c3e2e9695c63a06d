// SPDX-License-Identifier: Apache-2.0
//
// Trying again inside a deadline: a few attempts, a growing and jittered pause between them, and
// the server's Retry-After where it fits.  Time and chance are injected, so that tests need
// neither.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "source/source.h"
#include "util/error.h"

namespace ondemand::source {

// Thread: any number of callers at once.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Deadline now() = 0;
  virtual void sleep_for(std::chrono::milliseconds duration) = 0;
  virtual std::uint32_t random() = 0;  // uniform over all values
};
// The real one; lives for ever.
Clock& system_clock();

struct RetryPolicy {
  int attempts = 3;                           // Range: >= 1
  std::chrono::milliseconds base_pause{100};  // before the second attempt; doubles from there
  std::chrono::milliseconds max_pause{5'000};
};

// An attempt that failed in a way that another one may not.
struct AttemptFailure {
  util::Error error;
  std::optional<std::chrono::milliseconds> retry_after;
};
// nullopt: the attempt came to an end (its result is the caller's).  What it throws is final.
using Attempt = std::function<std::optional<AttemptFailure>()>;

// Runs `attempt` until it ends.  Throws the last failure when the attempts are used up, or when
// the next one could not begin before the deadline.
void run_attempts(Clock& clock, const RetryPolicy& policy, Deadline deadline,
                  const Attempt& attempt);

// Pause before attempt number `next` (2, 3, ...): half fixed, half chance.
std::chrono::milliseconds pause_before(const RetryPolicy& policy, int next, std::uint32_t random);

// Seconds form of a Retry-After field; nullopt for a date or anything else.
// Source: RFC 9110 section 10.2.3.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value);

}  // namespace ondemand::source
