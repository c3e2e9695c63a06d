// SPDX-License-Identifier: Apache-2.0
#include "util/align.h"

#include <gtest/gtest.h>

namespace ondemand::util {
namespace {

TEST(Align, RoundsToPowersOfTwo) {
  EXPECT_EQ(round_down(8191U, 4096U), 4096U);
  EXPECT_EQ(round_up(4097U, 4096U), 8192U);
  EXPECT_EQ(round_up(0U, 4096U), 0U);
  EXPECT_TRUE(is_aligned(8192U, 4096U));
  EXPECT_FALSE(is_aligned(8193U, 4096U));
  EXPECT_EQ(div_round_up(4097U, 4096U), 2U);
  EXPECT_EQ(div_round_up(UINT64_MAX, std::uint64_t{4096}), (std::uint64_t{1} << 52));
}

TEST(Align, OverflowIsAnErrorAndNeverAWrappedNumber) {
  EXPECT_THROW(round_up(UINT64_MAX, std::uint64_t{4096}), Error);
  EXPECT_THROW(checked_add(UINT32_MAX, 1U), Error);
  EXPECT_THROW(checked_mul(std::uint64_t{1} << 33, std::uint64_t{1} << 31), Error);
  EXPECT_EQ(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 31), std::uint64_t{1} << 63);
  EXPECT_THROW(narrow<std::uint32_t>(std::uint64_t{1} << 32), Error);
  EXPECT_THROW(narrow<std::uint32_t>(-1), Error);
  EXPECT_EQ(narrow<std::uint8_t>(255), 255);
}

}  // namespace
}  // namespace ondemand::util
