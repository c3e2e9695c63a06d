// SPDX-License-Identifier: Apache-2.0
#include "transport/file_target.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "support/temporary_directory.h"
#include "transport/watch_registry.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::transport {
namespace {

using util::ByteRange;

class FileTargetTest : public ::testing::Test {
 protected:
  FileTargetTest() {
    std::filesystem::create_directories(path_.parent_path());
    file_ = util::open_file(path_, O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(::ftruncate(file_.get(), 64 * 1024), 0);
  }
  FileTarget target() { return FileTarget(util::open_file(path_, O_RDONLY), "file"); }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "cache" / "volume" / "file";
  util::Fd file_;
};

TEST_F(FileTargetTest, TellsHolesFromData) {
  FileTarget file = target();
  file.offer_event_fd(file_.get());
  EXPECT_EQ(file.missing({0, 65536}), (std::vector<ByteRange>{{0, 65536}}));
  file.write(4096, util::Buffer(8192, 0));  // zeros count as data
  EXPECT_EQ(file.missing({0, 65536}), (std::vector<ByteRange>{{0, 4096}, {12288, 53248}}));
  EXPECT_TRUE(file.missing({4096, 8192}).empty());
  EXPECT_FALSE(file.is_complete());
  file.write(0, util::Buffer(65536, 1));
  EXPECT_TRUE(file.is_complete());
  EXPECT_TRUE(file.is_complete());
}

TEST_F(FileTargetTest, IsNotCompleteWhenItHasGrown) {
  util::pwrite_full(file_.get(), util::Buffer(65536, 1), 0, "file");
  FileTarget file = target();
  EXPECT_TRUE(file.is_complete());
  EXPECT_EQ(::ftruncate(file_.get(), 128 * 1024), 0);
  EXPECT_FALSE(file.is_complete());
  EXPECT_FALSE(file.is_complete_and_synced());
}

// Has holes made of it, and is watched anew, behind the back of one who looks how far it is.
class TornTarget : public FileTarget {
 public:
  using FileTarget::FileTarget;
  std::vector<ByteRange> missing(ByteRange range) override {
    std::vector<ByteRange> holes = FileTarget::missing(range);
    if (std::exchange(is_first_, false)) {
      EXPECT_EQ(::truncate(name().c_str(), 0), 0);
      EXPECT_EQ(::truncate(name().c_str(), static_cast<off_t>(size())), 0);
      look_again();
    }
    return holes;
  }

 private:
  bool is_first_ = true;
};

TEST_F(FileTargetTest, RemembersNothingThatWasSeenBeforeItLooksAgain) {
  util::pwrite_full(file_.get(), util::Buffer(65536, 1), 0, "file");
  TornTarget file(util::open_file(path_, O_RDONLY), path_.native());
  file.is_complete();  // what it says is out of date
  EXPECT_FALSE(file.is_complete());
}

TEST_F(FileTargetTest, DoesNotWriteWithoutAnEventsDescriptor) {
  FileTarget file = target();
  EXPECT_THROW(file.write(0, util::Buffer(4096)), util::Error);
  EXPECT_EQ(file.missing({0, 4096}).size(), 1U);
}

TEST_F(FileTargetTest, ReportsAWriteThatFails) {
  FileTarget file = target();
  const util::Fd read_only = util::open_file(path_, O_RDONLY);
  file.offer_event_fd(read_only.get());
  EXPECT_THROW(file.write(0, util::Buffer(4096)), util::Error);
  EXPECT_EQ(file.missing({0, 65536}), (std::vector<ByteRange>{{0, 65536}}));
}

// What a process leaves that was killed after a write failed: zeros that count as data.
TEST_F(FileTargetTest, WhatADeadProcessWasWritingIsMissingUntilItIsWrittenAgain) {
  WriteJournal writes;
  util::pwrite_full(file_.get(), util::Buffer(8192, 0), 4096, "file");
  writes.begin(key_of(file_.get(), "file"), {4096, 8192});
  writes.begin({1, 2}, {0, 65536});  // another file's
  EXPECT_FALSE(is_present(file_.get(), {8192, 4096}, writes, "file"));
  EXPECT_FALSE(is_present(file_.get(), {0, 65536}, writes, "file"));

  FileTarget file(util::open_file(path_, O_RDONLY), "file", &writes);
  EXPECT_EQ(file.missing({4096, 8192}), (std::vector<ByteRange>{{4096, 8192}}));
  EXPECT_FALSE(file.is_complete());
  file.offer_event_fd(file_.get());
  EXPECT_EQ(file.missing({0, 65536}), (std::vector<ByteRange>{{0, 65536}}));
  EXPECT_TRUE(writes.entries(key_of(file_.get(), "file")).empty());  // a hole now
  file.write(4096, util::Buffer(8192, 7));
  EXPECT_TRUE(file.missing({4096, 8192}).empty());
  EXPECT_TRUE(is_present(file_.get(), {4096, 8192}, writes, "file"));
}

TEST_F(FileTargetTest, WhatCannotBeMadeAHoleStaysMissing) {
  WriteJournal writes;
  util::pwrite_full(file_.get(), util::Buffer(8192, 0), 4096, "file");
  FileTarget file(util::open_file(path_, O_RDONLY), "file", &writes);
  const util::Fd read_only = util::open_file(path_, O_RDONLY);  // neither writes nor punches
  file.offer_event_fd(read_only.get());
  EXPECT_THROW(file.write(4096, util::Buffer(8192, 1)), util::Error);
  EXPECT_EQ(file.missing({4096, 8192}), (std::vector<ByteRange>{{4096, 8192}}));
  EXPECT_EQ(writes.entries(key_of(file_.get(), "file")).size(), 1U);
  FileTarget next(util::open_file(path_, O_RDONLY), "file", &writes);  // of the next process
  EXPECT_EQ(next.missing({4096, 8192}), (std::vector<ByteRange>{{4096, 8192}}));
}

TEST_F(FileTargetTest, AWriteJournalThatIsFullRefusesAWrite) {
  WriteJournal writes;
  for (std::size_t i = 0; i < WriteJournal::kSlots; ++i)
    EXPECT_EQ(writes.begin({1, 1}, {i * 4096, 4096}), i);
  EXPECT_THROW(writes.begin({1, 1}, {0, 4096}), util::Error);
  writes.end(5);
  EXPECT_EQ(writes.begin({1, 1}, {0, 4096}), 5U);
}

TEST_F(FileTargetTest, CompleteIsLookedAtAgainBeforeAWatchEnds) {
  FileTarget file = target();
  file.offer_event_fd(file_.get());
  file.write(0, util::Buffer(65536, 1));
  EXPECT_TRUE(file.is_complete());
  EXPECT_TRUE(file.is_complete_and_synced());
  ASSERT_EQ(::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096), 0);
  EXPECT_TRUE(file.is_complete());  // remembered
  EXPECT_FALSE(file.is_complete_and_synced());
  EXPECT_FALSE(file.is_complete());
}

TEST_F(FileTargetTest, RegistryKnowsAFileByItsInodeWhateverItsName) {
  WatchRegistry registry;
  const WatchedFileRef added = registry.add({path_, hash::Digest{}, nullptr});
  std::filesystem::rename(path_, directory_.path() / "other");
  EXPECT_EQ(registry.find(key_of(file_.get(), "file")), added);
  EXPECT_EQ(registry.add({directory_.path() / "other", hash::Digest{}, nullptr}), added);
  EXPECT_EQ(registry.find({1, 2}), nullptr);
}

TEST_F(FileTargetTest, RegistryRefusesWhatIsNoBackingFile) {
  WatchRegistry registry;
  EXPECT_THROW(registry.add({directory_.path(), hash::Digest{}, nullptr}), util::Error);
  EXPECT_THROW(registry.add({directory_.path() / "absent", hash::Digest{}, nullptr}), util::Error);
  blob::ChunkIndex index;
  index.append(4096, 4096, hash::Digest{});
  const serve::BlobRef blob = serve::make_blob(hash::Digest{}, 4096, index);
  EXPECT_THROW(registry.add({path_, hash::Digest{}, blob}), util::Error);  // 64 KiB on disk
  EXPECT_TRUE(registry.all().empty());
}

// A small file system of its own; needs root, mkfs.ext4 and loop devices.
class FullDiskTest : public ::testing::TestWithParam<int> {
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
    file_ = util::open_file(mount_ / "file", O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::ftruncate(file_.get(), kSize), 0);
  }
  void TearDown() override {
    file_.reset();
    if (!is_mounted_) return;
    EXPECT_EQ(std::system(("umount " + mount_.native()).c_str()), 0);
  }
  // Writes frame after frame.  Returns how many failed.
  int fill(FileTarget& target) {
    int failures = 0;
    for (std::uint64_t at = 0; at < kSize; at += kFrame) {
      try {
        target.write(at, util::Buffer(kFrame, 0xab));
      } catch (const util::Error& error) {
        last_error_ = error.message();
        ++failures;
      }
    }
    return failures;
  }
  // Blocks that count as present and are not what was written.
  int wrong_blocks(FileTarget& target) {
    int wrong = 0;
    util::Buffer block(4096);
    for (std::uint64_t at = 0; at < kSize; at += block.size()) {
      if (!target.missing({at, block.size()}).empty()) continue;
      util::pread_full(file_.get(), block, at, "file");
      if (block != util::Buffer(4096, 0xab)) ++wrong;
    }
    return wrong;
  }

  static constexpr std::uint64_t kSize = 40 * 1024 * 1024;
  static constexpr std::uint64_t kFrame = 256 * 1024;
  test::TemporaryDirectory directory_;
  std::filesystem::path mount_ = directory_.path() / "mnt";
  bool is_mounted_ = false;
  util::Fd file_;
  std::string last_error_;
};

TEST_P(FullDiskTest, AWriteThatFindsNoRoomLeavesNoZerosBehind) {
  WriteJournal writes;
  FileTarget target(util::open_file(mount_ / "file", O_RDONLY), "file", &writes, false);
  target.offer_event_fd(file_.get());
  EXPECT_GT(fill(target), 0);
  EXPECT_NE(last_error_.find("No space left"), std::string::npos) << last_error_;
  EXPECT_FALSE(target.missing({0, kSize}).empty());
  EXPECT_EQ(wrong_blocks(target), 0);
  FileTarget next(util::open_file(mount_ / "file", O_RDONLY), "file");  // by the holes alone
  EXPECT_EQ(wrong_blocks(next), 0);
  EXPECT_TRUE(writes.entries(key_of(file_.get(), "file")).empty());
}

TEST_P(FullDiskTest, IsNoticedBeforeTheLastBlockIsTaken) {
  FileTarget target(util::open_file(mount_ / "file", O_RDONLY), "file");
  target.offer_event_fd(file_.get());
  EXPECT_GT(fill(target), 0);
  EXPECT_NE(last_error_.find("the file system is full"), std::string::npos) << last_error_;
  EXPECT_EQ(wrong_blocks(target), 0);
}

INSTANTIATE_TEST_SUITE_P(BlockSizes, FullDiskTest, ::testing::Values(1024, 4096));

}  // namespace
}  // namespace ondemand::transport
