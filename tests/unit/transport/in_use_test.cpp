// SPDX-License-Identifier: Apache-2.0
#include "transport/in_use.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/descriptor_limit.h"
#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::transport {
namespace {

using Paths = std::vector<std::filesystem::path>;

class InUseTest : public ::testing::Test {
 protected:
  InUseTest() {
    std::filesystem::create_directories(path_.parent_path());
    file_ = util::open_file(path_, O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(::ftruncate(file_.get(), 64 * 1024), 0);
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "cache" / "volume" / "file";
  util::Fd file_;
};

TEST_F(InUseTest, AFileIsInUseWhileSomebodyElseHasItOpenAndItHasHoles) {
  EXPECT_EQ(incomplete_files(directory_.path()), Paths{path_});
  EXPECT_EQ(files_in_use({path_}), Paths{path_});
  file_.reset();
  EXPECT_TRUE(files_in_use({path_}).empty());
  EXPECT_TRUE(files_in_use({directory_.path() / "absent"}).empty());
  util::pwrite_full(util::open_file(path_, O_RDWR).get(), util::Buffer(65536, 1), 0, "file");
  EXPECT_TRUE(incomplete_files(directory_.path()).empty());
  EXPECT_TRUE(incomplete_files(directory_.path() / "absent").empty());
}

TEST_F(InUseTest, WhatIsNoBackingFileIsPassedOver) {
  std::filesystem::create_symlink(path_, path_.parent_path() / "link");
  util::open_file(path_.parent_path() / "empty", O_RDWR | O_CREAT, 0600);
  EXPECT_EQ(incomplete_files(directory_.path()), Paths{path_});
}

TEST_F(InUseTest, AFileThatCannotBeOpenedCountsAsInUse) {
  file_.reset();
  const test::DescriptorLimit limit(0);
  EXPECT_EQ(files_in_use({path_}), Paths{path_});
}

TEST_F(InUseTest, AFileThatCannotBeOpenedCountsAsIncomplete) {
  util::pwrite_full(file_.get(), util::Buffer(65536, 1), 0, "file");
  const test::DescriptorLimit limit(2);  // the two directories
  EXPECT_EQ(incomplete_files(directory_.path()), Paths{path_});
}

TEST_F(InUseTest, AWalkThatCannotGoOnIsAnErrorAndNotAPartOfTheFiles) {
  for (const rlim_t room : {0U, 1U}) {
    const test::DescriptorLimit limit(room);
    EXPECT_THROW(incomplete_files(directory_.path()), util::Error) << room;
  }
}

}  // namespace
}  // namespace ondemand::transport
