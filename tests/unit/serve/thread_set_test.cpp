// SPDX-License-Identifier: Apache-2.0
#include "serve/thread_set.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "support/no_memory.h"

namespace ondemand::serve {
namespace {

// As a lane's thread does that has just found more work.
TEST(ThreadSetTest, JoinsAlsoWhatItsThreadsStartMeanwhile) {
  std::atomic<int> ended = 0;
  ThreadSet set;
  set.start([&] {
    while (set.size() > 0)  // until it is being joined
      std::this_thread::yield();
    set.start([&] { ++ended; });
    ++ended;
  });
  set.join_all();
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(set.size(), 0U);
}

TEST(ThreadSetTest, AThreadRunsOrIsRefusedWhereverTheMemoryEnds) {
  for (std::size_t times = 0;; ++times) {
    std::atomic<int> started = 0;
    std::atomic<int> ended = 0;
    bool is_used_up = false;
    {
      ThreadSet set;
      set.start([&] { ++ended; });
      while (ended == 0)
        std::this_thread::yield();
      const std::function<void()> body = [&] { ++ended; };
      const test::LittleMemory memory(times);
      try {
        set.start(body);
        ++started;
      } catch (const std::exception&) {
      }
      is_used_up = memory.is_used_up();
    }
    EXPECT_EQ(ended, 1 + started) << times;
    if (!is_used_up) break;
  }
}

}  // namespace
}  // namespace ondemand::serve
