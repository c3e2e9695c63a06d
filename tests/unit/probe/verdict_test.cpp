// SPDX-License-Identifier: Apache-2.0
#include "probe/verdict.h"

#include <gtest/gtest.h>

namespace ondemand::probe {
namespace {

// A machine on which everything works.
KernelFacts good_kernel() {
  KernelFacts facts;
  facts.release = "6.12.1";
  facts.config.source = "test";
  facts.config.options = {{"CACHEFILES_ONDEMAND", "y"}};
  facts.is_root = true;
  facts.erofs = facts.cachefiles = Presence::kPresent;
  facts.has_fsid = facts.has_file_backed = Answer::kYes;
  facts.demand = {"/dev/cachefiles_demand", true, {}};
  facts.classic = {"/dev/cachefiles", true, {}};
  return facts;
}

FileSystemFacts good_files() {
  FileSystemFacts facts;
  facts.type = "ext4";
  facts.block_size = 4096;
  facts.blocks_free_percent = 50;
  facts.has_tmpfile = facts.has_user_xattr = facts.has_direct_io = true;
  facts.has_holes = facts.has_punch = true;
  return facts;
}

class Verdicts : public testing::Test {
 protected:
  // Of one transport, "what|what|".
  std::string problems(std::size_t transport) {
    std::string text;
    const Verdict verdict = judge(kernel, files).at(transport);
    for (const Problem& problem : verdict.problems) {
      EXPECT_FALSE(problem.remedy.empty()) << problem.what;
      text += problem.what + "|";
    }
    return text;
  }
  static constexpr std::size_t kDemand = 0;
  static constexpr std::size_t kCachefiles = 1;
  static constexpr std::size_t kFanotify = 2;

  KernelFacts kernel = good_kernel();
  FileSystemFacts files = good_files();
};

TEST_F(Verdicts, AreInTheOrderOfDemandd) {
  const auto verdicts = judge(kernel, files);
  ASSERT_EQ(verdicts.size(), 3u);
  EXPECT_EQ(verdicts[kDemand].transport, "cachefiles-demand");
  EXPECT_EQ(verdicts[kCachefiles].transport, "cachefiles");
  EXPECT_EQ(verdicts[kFanotify].transport, "fanotify");
  for (const Verdict& verdict : verdicts)
    EXPECT_TRUE(verdict.is_ready()) << verdict.transport << ": " << verdict.problems[0].what;
}

TEST_F(Verdicts, WithoutTheSeriesTheDemandDeviceIsMissing) {
  kernel.demand.exists = false;
  EXPECT_NE(problems(kDemand).find("has no /dev/cachefiles_demand"), std::string::npos);
  EXPECT_EQ(problems(kCachefiles), "");
}

TEST_F(Verdicts, WithoutTheSeriesDataBehindHolesIsWarnedOf) {
  const auto is_told = [this](std::size_t transport) {
    const Verdict verdict = judge(kernel, files).at(transport);
    for (const std::string& note : verdict.notes)
      if (note.find("--zero-chunks data") != std::string::npos) return true;
    return false;
  };
  EXPECT_FALSE(is_told(kCachefiles));
  kernel.demand.exists = false;
  EXPECT_TRUE(is_told(kCachefiles));
  EXPECT_FALSE(is_told(kFanotify));
  EXPECT_TRUE(judge(kernel, files)[kCachefiles].is_ready());
  kernel.has_fsid = Answer::kNo;  // does not mount over fscache at all
  EXPECT_FALSE(is_told(kCachefiles));
}

TEST_F(Verdicts, ModuleThatIsNotLoadedIsToBeLoaded) {
  kernel.demand.exists = kernel.classic.exists = false;
  kernel.cachefiles = Presence::kLoadable;
  const auto verdicts = judge(kernel, files);
  EXPECT_NE(verdicts[kDemand].problems[0].remedy.find("modprobe cachefiles"), std::string::npos);
  EXPECT_EQ(verdicts[kDemand].problems[0].remedy.find("signed"), std::string::npos);
  kernel.lockdown = "integrity";
  EXPECT_NE(judge(kernel, files)[kDemand].problems[0].remedy.find("signed"), std::string::npos);
}

TEST_F(Verdicts, DeviceThatAnotherProcessHoldsIsNamedWithIt) {
  kernel.classic.holders = {{17, "cachefilesd"}};
  for (const std::size_t transport : {kDemand, kCachefiles})
    EXPECT_NE(problems(transport).find("held by cachefilesd, process 17"), std::string::npos);
  EXPECT_EQ(problems(kFanotify), "");
}

TEST_F(Verdicts, DeviceThatDemanddHasIsInUseAndReady) {
  kernel.demand.holders = {{16, "demandd"}, {17, "demandd"}};
  files.daemon = 17;
  const auto verdicts = judge(kernel, files);
  EXPECT_TRUE(verdicts[kDemand].is_ready());
  EXPECT_EQ(verdicts[kDemand].notes, (std::vector<std::string>{"in use by demandd, process 16",
                                                               "in use by demandd, process 17"}));
  EXPECT_FALSE(verdicts[kCachefiles].is_ready());
}

TEST_F(Verdicts, DeviceThatADemanddOfAnotherCacheHasIsHeld) {
  kernel.demand.holders = {{17, "demandd"}};
  files.daemon = 18;  // that ended
  EXPECT_NE(problems(kDemand).find("held by demandd, process 17"), std::string::npos);
}

TEST_F(Verdicts, KernelOfToday) {
  kernel.release = "6.18.1";
  kernel.demand.exists = kernel.classic.exists = false;
  kernel.cachefiles = Presence::kAbsent;
  kernel.has_fsid = Answer::kNo;
  EXPECT_NE(problems(kDemand), "");
  EXPECT_NE(problems(kCachefiles).find("does not mount over fscache"), std::string::npos);
  EXPECT_EQ(problems(kFanotify), "");
}

TEST_F(Verdicts, LongTermKernel) {
  kernel.release = "6.1.192";
  kernel.has_file_backed = Answer::kNo;
  kernel.fanotify_error = "fanotify: open a group: this kernel has no pre-content events";
  EXPECT_EQ(problems(kDemand), "");
  const std::string text = problems(kFanotify);
  EXPECT_NE(text.find("does not mount files"), std::string::npos);
  EXPECT_NE(text.find("no pre-content events"), std::string::npos);
}

TEST_F(Verdicts, StockKernelHasNoOnDemandMode) {
  kernel.demand.exists = false;
  kernel.config.options.clear();
  EXPECT_NE(problems(kCachefiles).find("no on-demand mode"), std::string::npos);
  kernel.config = {};
  EXPECT_EQ(problems(kCachefiles), "");  // cannot be told
  EXPECT_FALSE(judge(kernel, files)[kCachefiles].notes.empty());
}

TEST_F(Verdicts, MarkDecidesWhereBothDevicesAre) {
  files.has_volumes = true;
  EXPECT_NE(problems(kDemand).find("not marked"), std::string::npos);
  EXPECT_EQ(problems(kCachefiles), "");
  files.mark = cache::CacheMark::kDemand;
  EXPECT_EQ(problems(kDemand), "");
  EXPECT_NE(problems(kCachefiles).find("marked"), std::string::npos);
  EXPECT_EQ(problems(kFanotify), "");
  kernel.demand.exists = false;  // a kernel that does not look
  EXPECT_EQ(problems(kCachefiles), "");
  files.mark = cache::CacheMark::kForeign;
  EXPECT_NE(problems(kDemand).find("not known"), std::string::npos);
}

TEST_F(Verdicts, FileSystemsThatCannotHoldACache) {
  files.type = "tmpfs";
  files.pre_content_error = "no pre-content events";
  for (const std::size_t transport : {kDemand, kCachefiles, kFanotify})
    EXPECT_NE(problems(transport), "");
  files = good_files();
  files.has_user_xattr = false;
  for (const std::size_t transport : {kDemand, kCachefiles, kFanotify})
    EXPECT_NE(problems(transport).find("extended attributes"), std::string::npos);
  files = good_files();
  files.has_direct_io = files.has_tmpfile = false;
  EXPECT_NE(problems(kDemand).find("direct I/O"), std::string::npos);
  EXPECT_NE(problems(kDemand).find("O_TMPFILE"), std::string::npos);
  EXPECT_EQ(problems(kFanotify), "");
  files = good_files();
  files.block_size = 65536;
  EXPECT_NE(problems(kDemand).find("blocks of 65536"), std::string::npos);
  files = good_files();
  files.blocks_free_percent = 0;
  EXPECT_NE(problems(kCachefiles).find("full"), std::string::npos);
  EXPECT_EQ(problems(kDemand), "");
  EXPECT_EQ(problems(kFanotify), "");
  files = good_files();
  files.has_holes = false;
  EXPECT_NE(problems(kFanotify).find("SEEK_HOLE"), std::string::npos);
  files = {};
  files.error = "/x: create a file: read-only file system";
  EXPECT_NE(problems(kFanotify).find("create a file"), std::string::npos);
}

TEST_F(Verdicts, WithoutTheRightNothingWorks) {
  kernel.is_root = false;
  for (const std::size_t transport : {kDemand, kCachefiles, kFanotify})
    EXPECT_NE(problems(transport).find("CAP_SYS_ADMIN"), std::string::npos);
}

}  // namespace
}  // namespace ondemand::probe
