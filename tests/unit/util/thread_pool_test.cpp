// SPDX-License-Identifier: Apache-2.0
#include "util/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>

namespace ondemand::util {
namespace {

TEST(ThreadPool, ResultsAndExceptionsReachTheCaller) {
  ThreadPool pool(2, 2);
  auto value = pool.submit([] { return 42; });
  auto failure = pool.submit([]() -> int { throw std::runtime_error("no"); });
  EXPECT_EQ(value.get(), 42);
  EXPECT_THROW(failure.get(), std::runtime_error);
}

TEST(ThreadPool, WorkRunsSideBySide) {
  ThreadPool pool(2, 2);
  std::latch both(2);
  auto a = pool.submit([&both] { both.arrive_and_wait(); });
  auto b = pool.submit([&both] { both.arrive_and_wait(); });
  a.get();
  b.get();
}

TEST(ThreadPool, TheDestructorRunsWhatIsQueued) {
  std::atomic<int> done = 0;
  {
    ThreadPool pool(1, 100);
    for (int i = 0; i < 50; ++i)
      pool.submit([&done] { ++done; });
  }
  EXPECT_EQ(done, 50);
}

}  // namespace
}  // namespace ondemand::util
