// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace ondemand::cli {
namespace {

constexpr std::uint64_t kMb = 1'000'000;

TEST(ProgressLine, TellsBytesTotalFilesRateAndTimeLeft) {
  EXPECT_EQ(progress_line({12'300'000, 497'300'000, 4711}, 210e6),
            "12.3 MB of 497.3 MB, 4711 files, 210.0 MB/s, 2 s left");
}

TEST(ProgressLine, TellsNeitherTotalNorTimeLeftOfAStreamWithoutAnEnd) {
  EXPECT_EQ(progress_line({12'300'000, 0, 1}, 210e6), "12.3 MB, 1 file, 210.0 MB/s");
}

TEST(ProgressLine, TellsNoRateBeforeAnythingMoves) {
  EXPECT_EQ(progress_line({0, 5 * kMb, 0}, 0), "0 B of 5.0 MB, 0 files");
}

TEST(ProgressLine, TellsThatWorkRemainsWhenAllIsRead) {
  EXPECT_EQ(progress_line({5 * kMb, 5 * kMb, 2}, 3e6), "5.0 MB of 5.0 MB, 2 files, finishing");
  EXPECT_EQ(progress_line({6 * kMb, 5 * kMb, 2}, 3e6), "6.0 MB of 5.0 MB, 2 files, finishing");
}

TEST(ProgressLine, TellsMinutesAndHours) {
  EXPECT_EQ(progress_line({0, 200 * kMb, 0}, 1e6),
            "0 B of 200.0 MB, 0 files, 1.0 MB/s, 3 min 20 s left");
  EXPECT_EQ(progress_line({0, 7500 * kMb, 0}, 1e6),
            "0 B of 7.5 GB, 0 files, 1.0 MB/s, 2 h 5 min left");
}

TEST(ProgressLine, IsNeverLongerThanTheTerminalIsWide) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_LE(progress_line({kMost - 1, kMost, kMost}, 1).size(), 79U);
  EXPECT_EQ(progress_line({kMb, 2 * kMb, 3}, 1e6, 10), "1.0 MB of ");
  EXPECT_EQ(progress_line({kMb, 2 * kMb, 3}, 1e6, 0), "");
}

TEST(RateWindow, KnowsNoRateBeforeTwoSamples) {
  RateWindow window;
  EXPECT_EQ(window.rate(), 0);
  window.add(0, 5);
  EXPECT_EQ(window.rate(), 0);
  window.add(0, 9);  // no time has passed
  EXPECT_EQ(window.rate(), 0);
}

TEST(RateWindow, ForgetsWhatIsOlderThanAFewSeconds) {
  RateWindow window;
  for (int second = 0; second <= 10; ++second)
    window.add(second, 100U * static_cast<unsigned>(second));
  EXPECT_DOUBLE_EQ(window.rate(), 100);
  for (int second = 11; second <= 15; ++second)
    window.add(second, 1000);
  EXPECT_DOUBLE_EQ(window.rate(), 0);
  for (int second = 16; second <= 20; ++second)
    window.add(second, 1000U + 10U * static_cast<unsigned>(second - 15));
  EXPECT_DOUBLE_EQ(window.rate(), 10);
}

TEST(RateWindow, BeginsAnewWhenTheNextPartOfTheJobDoes) {
  RateWindow window;
  window.add(0, 0);
  window.add(1, 5000);
  window.add(2, 10);
  EXPECT_EQ(window.rate(), 0);
  window.add(3, 40);
  EXPECT_DOUBLE_EQ(window.rate(), 30);
}

class Meter : public ::testing::Test {
 protected:
  std::ostringstream out_;
  std::ostringstream err_;
  Io io_{-1, out_, err_, true};
};

// Draws until `read` was called twice: the first line is out then.
void draw_a_line(Io& io, bool is_wanted) {
  std::promise<void> twice;
  int calls = 0;
  const ProgressMeter meter(
      io, is_wanted,
      [&] {
        if (++calls == 2) twice.set_value();
        return ProgressState{5 * kMb, 5 * kMb, 3};
      },
      std::chrono::milliseconds{1});
  twice.get_future().wait();
}

TEST_F(Meter, DrawsOneLineAndErasesIt) {
  draw_a_line(io_, true);
  const std::string line = "\r\033[K5.0 MB of 5.0 MB, 3 files, finishing";
  EXPECT_TRUE(err_.str().starts_with(line)) << err_.str();
  EXPECT_TRUE(err_.str().ends_with("\r\033[K")) << err_.str();
  EXPECT_EQ(err_.str().find('\n'), std::string::npos);
  EXPECT_EQ(out_.str(), "");
}

TEST_F(Meter, LeavesTheLastColumnOfANarrowTerminalFree) {
  io_.err_columns = 11;
  draw_a_line(io_, true);
  EXPECT_TRUE(err_.str().starts_with("\r\033[K5.0 MB of \r\033[K")) << err_.str();
}

TEST_F(Meter, ErasesTheLineBeforeAnErrorIsTold) {
  EXPECT_THROW(
      {
        std::promise<void> drawn;
        int calls = 0;
        const ProgressMeter meter(
            io_, true,
            [&] {
              if (++calls == 2) drawn.set_value();
              return ProgressState{};
            },
            std::chrono::milliseconds{1});
        drawn.get_future().wait();
        throw std::runtime_error("a broken layer");
      },
      std::runtime_error);
  EXPECT_TRUE(err_.str().ends_with("\r\033[K")) << err_.str();
}

TEST_F(Meter, WritesNothingForAShortJob) {
  {
    const ProgressMeter meter(
        io_, true, [] { return ProgressState{}; }, std::chrono::hours{1});
  }
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Meter, AsksNobodyWithoutATerminalOrWhenItIsNotWanted) {
  const auto never = []() -> ProgressState {
    ADD_FAILURE();
    return {};
  };
  { const ProgressMeter meter(io_, false, never, std::chrono::milliseconds{0}); }
  io_.err_is_terminal = false;
  { const ProgressMeter meter(io_, true, never, std::chrono::milliseconds{0}); }
  EXPECT_EQ(err_.str(), "");
}

}  // namespace
}  // namespace ondemand::cli
