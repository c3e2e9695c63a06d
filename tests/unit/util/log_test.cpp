// SPDX-License-Identifier: Apache-2.0
#include "util/log.h"

#include <gtest/gtest.h>

#include <vector>

namespace ondemand::util {
namespace {

struct Capture {
  std::vector<std::string> lines;
  Log log{LogLevel::kInfo, [this](LogLevel, std::string_view line) { lines.emplace_back(line); }};
};

TEST(Log, OneEventIsOneLineOfFields) {
  Capture capture;
  capture.log.info("fetched",
                   {{"blob", "ab"}, {"bytes", 4096U}, {"text", "two words"}, {"empty", ""}});
  EXPECT_EQ(capture.lines,
            std::vector<std::string>{R"(fetched blob=ab bytes=4096 text="two words" empty="")"});
}

TEST(Log, ForeignBytesCannotMakeLinesOrFields) {
  Capture capture;
  capture.log.info("m", {{"k", "a\nb \"c\" \x1b[1m"}});
  EXPECT_EQ(capture.lines, std::vector<std::string>{R"(m k="a\x0ab \"c\" \x1b[1m")"});
}

TEST(Log, LevelsAboveTheSetOneAreSilent) {
  Capture capture;
  capture.log.debug("no");
  capture.log.set_level(LogLevel::kError);
  capture.log.warning("no");
  capture.log.error("yes");
  EXPECT_EQ(capture.lines, std::vector<std::string>{"yes"});
}

}  // namespace
}  // namespace ondemand::util
