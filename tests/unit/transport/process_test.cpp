// SPDX-License-Identifier: Apache-2.0
#include "transport/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "support/descriptor_limit.h"
#include "support/refused_call.h"
#include "util/error.h"

namespace ondemand::transport {
namespace {

TEST(Process, WhatAChildOpensStaysAfterItsDeathUnderTheSameNumber) {
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* shared = new (memory) std::atomic<int>[2] {};
  util::Fd pidfd;
  const pid_t child = clone_sharing_files(shared[0], pidfd);
  if (child == 0) {
    shared[1] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::_exit(0);
  }
  EXPECT_EQ(shared[0], child);
  pollfd poll{pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&poll, 1, 10000), 1);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const util::Fd left(shared[1]);
  EXPECT_GE(::fcntl(left.get(), F_GETFD), 0);
  ::munmap(memory, 4096);
}

TEST(Process, HasNoDescriptorForAProcessThatIsNot) {
  EXPECT_FALSE(open_pidfd(0));
  EXPECT_FALSE(open_pidfd(-1));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(open_pidfd(child));
}

TEST(Process, DoesNotTakeOneThatItCannotHaveADescriptorOfForGone) {
  const test::DescriptorLimit limit(0);
  EXPECT_THROW(open_pidfd(::getpid()), util::Error);
}

class ProcessCloses : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(WithTheCallForARange, ProcessCloses, ::testing::Bool());

TEST_P(ProcessCloses, AllButWhatIsToBeKept) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!GetParam()) test::refuse_call(SYS_close_range, EPERM);
    const int kept = ::open("/dev/null", O_RDONLY);
    const int lost = ::open("/dev/null", O_RDONLY);
    const test::DescriptorLimit limit(0);
    close_all_except({kept, 2, 0, 1, kept});
    const bool is_right = ::fcntl(kept, F_GETFD) >= 0 && ::fcntl(lost, F_GETFD) < 0 &&
                          open_descriptors() == std::vector<int>{0, 1, 2, kept};
    ::_exit(is_right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ondemand::transport
