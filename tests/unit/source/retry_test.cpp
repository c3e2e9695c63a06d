// SPDX-License-Identifier: Apache-2.0
#include "source/retry.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace ondemand::source {
namespace {

using std::chrono::milliseconds;
using util::Error;
using util::ErrorCode;

AttemptFailure failure(const char* message, std::optional<milliseconds> retry_after = {}) {
  return {Error(ErrorCode::kUnavailable, message), retry_after};
}

TEST(Retry, EndsWithTheFirstSuccess) {
  test::FakeClock clock;
  int calls = 0;
  run_attempts(clock, {}, Deadline::max(), [&]() -> std::optional<AttemptFailure> {
    if (++calls < 3) return failure("x");
    return std::nullopt;
  });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(clock.pauses(), (std::vector<std::int64_t>{50, 100}));
}

TEST(Retry, ThrowsTheLastFailure) {
  test::FakeClock clock;
  int calls = 0;
  try {
    run_attempts(clock, {}, Deadline::max(), [&]() -> std::optional<AttemptFailure> {
      return failure(++calls == 3 ? "last" : "earlier");
    });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "last");
  }
  EXPECT_EQ(calls, 3);
}

TEST(Retry, HonoursRetryAfterThatFitsTheDeadline) {
  test::FakeClock clock;
  int calls = 0;
  run_attempts(clock, {}, clock.now() + milliseconds(60'000),
               [&]() -> std::optional<AttemptFailure> {
                 if (++calls == 1) return failure("x", milliseconds(2'000));
                 return std::nullopt;
               });
  EXPECT_EQ(clock.pauses(), (std::vector<std::int64_t>{2'000}));
}

TEST(Retry, GivesUpAtOnceWhereThePauseWouldPassTheDeadline) {
  test::FakeClock clock;
  int calls = 0;
  EXPECT_THROW(run_attempts(clock, {}, clock.now() + milliseconds(1'000),
                            [&]() -> std::optional<AttemptFailure> {
                              ++calls;
                              return failure("x", milliseconds(2'000));
                            }),
               Error);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(clock.pauses().empty());
}

TEST(Retry, PausesGrowToABoundAndAreHalfChance) {
  const RetryPolicy policy;
  EXPECT_EQ(pause_before(policy, 2, 0).count(), 50);
  EXPECT_EQ(pause_before(policy, 2, UINT32_MAX).count(), 99);
  EXPECT_EQ(pause_before(policy, 3, 0).count(), 100);
  EXPECT_EQ(pause_before(policy, 1000, 0).count(), 2'500);
}

TEST(Retry, ReadsSecondsOnly) {
  EXPECT_EQ(parse_retry_after("3"), milliseconds(3'000));
  EXPECT_EQ(parse_retry_after("0"), milliseconds(0));
  EXPECT_EQ(parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), std::nullopt);
  EXPECT_EQ(parse_retry_after("99999999999999999999"), std::nullopt);
  EXPECT_EQ(parse_retry_after(""), std::nullopt);
}

}  // namespace
}  // namespace ondemand::source
