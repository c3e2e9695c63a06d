// SPDX-License-Identifier: Apache-2.0
#include "serve/origin_order.h"

#include <gtest/gtest.h>

namespace ondemand::serve {
namespace {

using Order = std::vector<std::size_t>;
using std::chrono::seconds;

constexpr auto kRest = OriginOrder::kRest;
const OriginOrder::TimePoint kStart = OriginOrder::TimePoint() + seconds(1000);

TEST(OriginOrder, IsTheOneThatWasGivenWhileAllAnswer) {
  OriginOrder origins(3);
  EXPECT_EQ(origins.order(kStart), (Order{0, 1, 2}));
  origins.answered(1);
  EXPECT_EQ(origins.order(kStart), (Order{0, 1, 2}));
}

TEST(OriginOrder, PutsOneThatFailedLastAndLeavesNoneOut) {
  OriginOrder origins(3);
  origins.failed(0, kStart);
  EXPECT_EQ(origins.order(kStart), (Order{1, 2, 0}));
  origins.failed(1, kStart);
  EXPECT_EQ(origins.order(kStart), (Order{2, 0, 1}));
  origins.failed(2, kStart);
  EXPECT_EQ(origins.order(kStart), (Order{0, 1, 2}));
}

TEST(OriginOrder, PutsOneThatAnswersInItsPlaceAgain) {
  OriginOrder origins(2);
  origins.failed(0, kStart);
  origins.answered(0);
  EXPECT_EQ(origins.order(kStart), (Order{0, 1}));
}

TEST(OriginOrder, LetsOneFetchTryItBehindTheRest) {
  OriginOrder origins(2);
  origins.failed(0, kStart);
  EXPECT_EQ(origins.order(kStart + kRest - seconds(1)), (Order{1, 0}));
  EXPECT_EQ(origins.order(kStart + kRest), (Order{0, 1}));
  EXPECT_EQ(origins.order(kStart + kRest), (Order{1, 0}));
  EXPECT_EQ(origins.order(kStart + 2 * kRest), (Order{0, 1}));
}

TEST(OriginOrder, RestsWhatCostsTimeAndNotWhatRefusesAtOnce) {
  using std::chrono::milliseconds;
  using util::ErrorCode;
  EXPECT_TRUE(OriginOrder::is_worth_a_rest(ErrorCode::kTimeout, milliseconds(1)));
  EXPECT_TRUE(OriginOrder::is_worth_a_rest(ErrorCode::kUnavailable, milliseconds(150)));
  EXPECT_FALSE(OriginOrder::is_worth_a_rest(ErrorCode::kUnavailable, milliseconds(5)));
  EXPECT_FALSE(OriginOrder::is_worth_a_rest(ErrorCode::kCorrupt, seconds(5)));
}

}  // namespace
}  // namespace ondemand::serve
