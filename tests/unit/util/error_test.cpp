// SPDX-License-Identifier: Apache-2.0
#include "util/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace ondemand::util {
namespace {

TEST(Error, SystemCallsSayObjectActionAndReason) {
  const Error error = errno_error("a.tar", "open", ENOENT);
  EXPECT_EQ(error.message(), "a.tar: open: No such file or directory");
  EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  EXPECT_EQ(error.errno_value(), ENOENT);
  EXPECT_EQ(errno_error("d", "write", ENOSPC).code(), ErrorCode::kIo);
}

TEST(Error, ContextGoesBeforeTheMessageAndKeepsTheRest) {
  const Error error = errno_error("x", "read", EIO).with_context("image.tar");
  EXPECT_EQ(error.message(), "image.tar: x: read: Input/output error");
  EXPECT_EQ(error.errno_value(), EIO);
  EXPECT_NE(std::string(error.file()).find("error_test.cpp"), std::string::npos);
}

TEST(Error, OnlyWrongUsageExitsWithTwo) {
  EXPECT_EQ(exit_status(ErrorCode::kUsage), 2);
  for (const ErrorCode code :
       {ErrorCode::kNotFound, ErrorCode::kIo, ErrorCode::kCorrupt, ErrorCode::kInternal})
    EXPECT_EQ(exit_status(code), 1) << to_string(code);
}

TEST(AssertDeathTest, EndsTheProcessInEveryBuild) {
  EXPECT_DEATH(ASSERT(1 + 1 == 3), "assertion failed: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace ondemand::util
