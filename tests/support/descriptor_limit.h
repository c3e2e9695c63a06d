// SPDX-License-Identifier: Apache-2.0
//
// A process that can open only a few files more.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace ondemand::test {

// While it lives, the process can have `room` descriptors more than it had, from the lowest free
// number on.  What it has open stays.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t room) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const int lowest = ::dup(STDERR_FILENO);
    ::close(lowest);
    const rlimit less{static_cast<rlim_t>(lowest) + room, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &less), 0);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace ondemand::test
