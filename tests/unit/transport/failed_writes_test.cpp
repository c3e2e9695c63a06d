// SPDX-License-Identifier: Apache-2.0
#include "transport/failed_writes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "cache/extents.h"
#include "support/scripted_device.h"
#include "support/temporary_directory.h"
#include "transport/direct_target.h"
#include "transport/object_target.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {
namespace {

using Ranges = std::vector<util::ByteRange>;

void fail() {
  throw std::runtime_error("no room");
}

TEST(FailedWrites, WhatCannotBePunchedStaysMissingUntilItIsWritten) {
  FailedWrites failed;
  EXPECT_THROW(failed.run({4096, 8192}, fail, [](util::ByteRange) { return false; }),
               std::runtime_error);
  EXPECT_THROW(failed.run({4096, 8192}, fail,
                          [](util::ByteRange) -> bool { throw std::runtime_error("neither"); }),
               std::runtime_error);
  Ranges holes{{0, 4096}};
  EXPECT_TRUE(failed.has_left_over());
  failed.add_left_over({0, 8192}, holes);
  EXPECT_EQ(holes, (Ranges{{0, 4096}, {4096, 4096}}));
  failed.run(
      {4096, 4096}, [] {}, nullptr);  // a part of it
  failed.run(
      {0, 16384}, [] {}, nullptr);
  holes.clear();
  failed.add_left_over({0, 16384}, holes);
  EXPECT_EQ(holes, Ranges{});
}

TEST(FailedWrites, WhatIsWrittenInOtherPiecesIsMissingNoMore) {
  FailedWrites failed;
  const auto left = [&failed] {
    Ranges holes;
    failed.add_left_over({0, 65536}, holes);
    return holes;
  };
  const auto write = [&failed](util::ByteRange range) {
    failed.run(
        range, [] {}, nullptr);
  };
  EXPECT_THROW(failed.run({8192, 16384}, fail, [](util::ByteRange) { return false; }),
               std::runtime_error);
  write({0, 8192});
  write({24576, 4096});
  EXPECT_EQ(left(), (Ranges{{8192, 16384}}));
  write({12288, 4096});
  EXPECT_EQ(left(), (Ranges{{8192, 4096}, {16384, 8192}}));
  write({0, 12288});
  write({20480, 8192});
  EXPECT_EQ(left(), (Ranges{{16384, 4096}}));
  write({16384, 4096});
  EXPECT_FALSE(failed.has_left_over());
}

TEST(FailedWrites, ExactlyTheRangeThatFailedIsPunched) {
  FailedWrites failed;
  Ranges punched;
  const auto punch = [&](util::ByteRange range) {
    punched.push_back(range);
    return true;
  };
  failed.run(
      {0, 4096}, [] {}, punch);
  EXPECT_THROW(failed.run({4096, 8192}, fail, punch), std::runtime_error);
  EXPECT_EQ(punched, (Ranges{{4096, 8192}}));
  Ranges holes;
  failed.add_left_over({0, 16384}, holes);
  EXPECT_EQ(holes, Ranges{});
}

// A small ext4 of its own, which gets full; needs root, mkfs.ext4 and loop devices.
class FullDirectDiskTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    std::filesystem::create_directory(mount_);
    const std::string image = (directory_.path() / "image").native();
    const util::Fd made = util::open_file(image, O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::ftruncate(made.get(), 24 * 1024 * 1024), 0);
    const std::string mkfs = util::concat("mkfs.ext4 -q -F -b ", GetParam(), " ", image);
    if (std::system((mkfs + " && mount -o loop " + image + " " + mount_.native()).c_str()) != 0)
      GTEST_SKIP() << "needs mkfs.ext4 and loop devices";
    is_mounted_ = true;
    const util::Fd file = util::open_file(path_, O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::ftruncate(file.get(), kSize), 0);
  }
  void TearDown() override {
    if (!is_mounted_) return;
    EXPECT_EQ(std::system(("umount " + mount_.native()).c_str()), 0);
  }
  // Writes piece after piece until the disk has been full for a while.
  static int fill(serve::Target& target) {
    int failures = 0;
    for (std::uint64_t at = 0; at < kSize && failures < 20; at += kFrame) {
      try {
        target.write(at, util::Buffer(kFrame, 0xab));
      } catch (const util::Error&) {
        ++failures;
      }
    }
    return failures;
  }
  // After every page was read through the page cache: blocks that count as data and are not what
  // was written.
  int wrong_blocks() const {
    const util::Fd file = util::open_file(path_, O_RDONLY);
    util::Buffer block(4096);
    for (std::uint64_t at = 0; at < kSize; at += block.size())
      util::pread_full(file.get(), block, at, "file");
    int wrong = 0;
    util::Buffer unit(static_cast<std::size_t>(GetParam()));
    for (const util::ByteRange& data : cache::present_ranges(file.get(), {0, kSize}, "file"))
      for (std::uint64_t at = data.offset; at < data.end(); at += unit.size()) {
        util::pread_full(file.get(), unit, at, "file");
        if (unit != util::Buffer(unit.size(), 0xab)) ++wrong;
      }
    return wrong;
  }

  static constexpr std::uint64_t kSize = 40 * 1024 * 1024;
  static constexpr std::uint64_t kFrame = 256 * 1024;
  test::TemporaryDirectory directory_;
  std::filesystem::path mount_ = directory_.path() / "mnt";
  std::filesystem::path path_ = mount_ / "file";
  bool is_mounted_ = false;
};

TEST_P(FullDirectDiskTest, ADirectWriteThatFindsNoRoomLeavesNoZerosBehind) {
  DirectTarget target(path_, "file", kSize);
  EXPECT_GT(fill(target), 0);
  EXPECT_FALSE(target.missing({0, kSize}).empty());
  EXPECT_EQ(wrong_blocks(), 0);
  EXPECT_EQ(cache::unwritten_ranges(util::open_file(path_, O_RDONLY).get(), "file"), Ranges{});
}

TEST_P(FullDirectDiskTest, ThroughADescriptorOfMainlineItIsMendedByPath) {
  test::ScriptedDevice device;
  const util::Fd object = util::open_file(path_, O_RDWR | O_DIRECT);
  ObjectTarget target(device, "file", kSize, path_);
  target.attach(std::make_shared<OpenObject>(device, object.get()));
  EXPECT_GT(fill(target), 0);
  EXPECT_EQ(wrong_blocks(), 0);
}

INSTANTIATE_TEST_SUITE_P(BlockSizes, FullDirectDiskTest, ::testing::Values(1024, 4096));

}  // namespace
}  // namespace ondemand::transport
