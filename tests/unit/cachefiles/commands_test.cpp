// SPDX-License-Identifier: Apache-2.0
#include "cachefiles/commands.h"

#include <gtest/gtest.h>

#include "util/error.h"

namespace ondemand::cachefiles {
namespace {

TEST(CachefilesCommands, AreTheTextThatTheKernelParses) {
  EXPECT_EQ(dir_command("/var/cache/a b"), "dir /var/cache/a b");
  EXPECT_EQ(tag_command("erofs"), "tag erofs");
  EXPECT_EQ(done_command(18446744073709551615U), "done 18446744073709551615");
  EXPECT_EQ(fail_command(7, 28), "fail 7,28");
  EXPECT_EQ(copen_command(3, 4096), "copen 3,4096");
  EXPECT_EQ(copen_failure_command(3, 2), "copen 3,-2");
}

TEST(CachefilesCommands, AnswersHoldTheLongestNumbers) {
  EXPECT_EQ(copen_command(4294967295U, 0x7fffffffffffffff), "copen 4294967295,9223372036854775807");
  EXPECT_EQ(fail_command(18446744073709551615U, 4095), "fail 18446744073709551615,4095");
}

TEST(CachefilesCommands, CarryOnlyErrorsThatTheKernelTakes) {
  EXPECT_EQ(fail_command(7, 4095), "fail 7,4095");
  for (const int bad : {0, -5, 4096}) {
    EXPECT_EQ(fail_command(7, bad), "fail 7,5");
    EXPECT_EQ(copen_failure_command(7, bad), "copen 7,-5");
  }
}

TEST(CachefilesCommands, RefuseWhatWouldArriveAsSomethingElse) {
  for (const std::string& path :
       {std::string("relative"), std::string(), std::string("/a\nb"), std::string("/a\0b", 4)})
    EXPECT_THROW(dir_command(path), util::Error) << path;
  EXPECT_THROW(tag_command(""), util::Error);
  EXPECT_NO_THROW(dir_command("/" + std::string(4090, 'x')));
  EXPECT_THROW(dir_command("/" + std::string(4091, 'x')), util::Error);
  EXPECT_NO_THROW(copen_command(1, 0x7fffffffffffffff));
  EXPECT_THROW(copen_command(1, 0x8000000000000000), util::Error);
}

}  // namespace
}  // namespace ondemand::cachefiles
