// SPDX-License-Identifier: Apache-2.0
#include "transport/given_requests.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ondemand::transport {
namespace {

TEST(GivenRequests, CountTheWorkersThatWereGivenOne) {
  GivenRequests requests;
  for (std::uint32_t worker = 1; worker <= 20; ++worker) {
    requests.begin_worker();
    EXPECT_EQ(requests.note_given({7, 0}), worker);
  }
  requests.note_answered({7, 0});
  requests.begin_worker();
  EXPECT_EQ(requests.note_given({7, 0}), 1U);
}

TEST(GivenRequests, AnIdThatComesTwiceToOneWorkerIsOfAnotherRequest) {
  GivenRequests requests;
  requests.begin_worker();
  requests.note_given({7, 0});
  requests.begin_worker();
  EXPECT_EQ(requests.note_given({7, 0}), 2U);
  EXPECT_EQ(requests.note_given({7, 0}), 1U);
  EXPECT_EQ(requests.note_given({7, 4096}), 1U);
}

TEST(GivenRequests, OutliveTheProcessThatWasGivenThem) {
  GivenRequests requests;
  for (int i = 0; i < 3; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      requests.begin_worker();
      ::_exit(static_cast<int>(requests.note_given({7, 0})));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), i + 1);
  }
}

TEST(GivenRequests, ThoseThatAreCountedStaySoWhereThereIsNoRoomForAll) {
  GivenRequests requests;
  for (std::uint32_t worker = 1; worker <= 5; ++worker) {
    requests.begin_worker();
    EXPECT_EQ(requests.note_given({1, 0}), worker);
    // Never answered either.
    for (std::uint64_t id = 0; id < 10000; ++id)
      requests.note_given({worker * 100000 + id, 0});
  }
}

}  // namespace
}  // namespace ondemand::transport
