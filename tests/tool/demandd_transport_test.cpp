// SPDX-License-Identifier: Apache-2.0
//
// How demandd chooses its kernel interface, where the kernel has no cachefiles devices.  Where it
// has: tests/vm/guest/ondemand.sh.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cachefiles/abi.h"
#include "demandd/kernel_side.h"
#include "demandd/run.h"
#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::demandd {
namespace {

class DemanddTransportTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* node : {cachefiles::abi::kDemandDevice, cachefiles::abi::kDevice})
      if (std::filesystem::exists(node)) GTEST_SKIP() << node << " exists";
  }
  int run_tool(std::vector<std::string> args) {
    cli::Io io{-1, out_, err_, false};
    args.push_back("--cache");
    args.push_back(root_.native());
    return run(args, io);
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path root_ = directory_.path() / "no" / "cache";
  std::ostringstream out_, err_;
};

TEST_F(DemanddTransportTest, ADeviceThatIsMissingIsNamedWithTheRemedy) {
  for (const std::string name : {"cachefiles-demand", "cachefiles"}) {
    err_.str("");
    EXPECT_EQ(run_tool({"--check", "--transport", name}), 1);
    EXPECT_NE(err_.str().find("/dev/cachefiles"), std::string::npos) << err_.str();
    EXPECT_NE(err_.str().find("module"), std::string::npos) << err_.str();
    EXPECT_EQ(out_.str(), "");
  }
  EXPECT_FALSE(std::filesystem::exists(root_.parent_path()));
}

TEST_F(DemanddTransportTest, NothingIsMadeForADeviceThatIsMissing) {
  EXPECT_EQ(run_tool({"--transport", "cachefiles", "--log", "null", "--registry", "http://h/r"}),
            1);
  EXPECT_FALSE(std::filesystem::exists(root_.parent_path()));
}

TEST_F(DemanddTransportTest, CheckTellsAboutEachInterface) {
  const int status = run_tool({"--check"});
  for (const char* line : {"cachefiles-demand: no: ", "\nfanotify: ", "\ncachefiles: no: "})
    EXPECT_NE(out_.str().find(line), std::string::npos) << out_.str();
  const bool has_fanotify = out_.str().find("\nfanotify: ready\n") != std::string::npos;
  EXPECT_EQ(status, has_fanotify ? 0 : 1);
  EXPECT_EQ(out_.str().find("\nauto: fanotify\n") != std::string::npos, has_fanotify);
}

TEST_F(DemanddTransportTest, AnUnknownInterfaceIsWrongUsage) {
  EXPECT_EQ(run_tool({"--check", "--transport", "nbd"}), 2);
}

TEST_F(DemanddTransportTest, ARootThatIsNoneIsTold) {
  cli::Io io{-1, out_, err_, false};
  EXPECT_EQ(run({"--check", "--cache", ""}, io), 2);
  EXPECT_NE(err_.str().find("--cache: must not be empty"), std::string::npos) << err_.str();
  std::filesystem::create_directories(root_.parent_path());
  std::ofstream(root_) << "a file";
  EXPECT_EQ(run_tool({"--check"}), 2);
  EXPECT_NE(err_.str().find("not a directory"), std::string::npos) << err_.str();
}

TEST_F(DemanddTransportTest, ARootThatCannotBeMadeIsToldAsSuch) {
  util::Log log(util::LogLevel::kError, util::Log::null_sink());
  const cache::CacheRoot root(root_);
  try {
    choose_kernel_side("auto", {root, log},
                       [] { throw util::Error(util::ErrorCode::kIo, "cache root: make: no"); });
    FAIL();
  } catch (const util::Error& error) {
    // Either nothing works here at all, or that is what a person must know.
    EXPECT_TRUE(error.code() == util::ErrorCode::kUnsupported ||
                error.message() == "cache root: make: no")
        << error.message();
  }
}

}  // namespace
}  // namespace ondemand::demandd
