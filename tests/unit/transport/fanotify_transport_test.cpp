// SPDX-License-Identifier: Apache-2.0
//
// The transport with the real kernel, in one process: a file on the real file system, a source in
// memory.  What needs a mount or deaths of processes is in tests/tool/demandd_survival.py.
#include "transport/fanotify_transport.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <optional>

#include "support/fake_source.h"
#include "support/frame_blob.h"
#include "support/no_memory.h"
#include "support/temporary_directory.h"
#include "transport/fanotify_abi.h"
#include "transport/guard.h"

namespace ondemand::transport {
namespace {

using test::FakeSource;
using test::FrameBlob;
using util::kKiB;

TEST(WantedRange, IsWhatTheKernelAsksForInsideTheFile) {
  const Event event{5, abi::kPreAccess, 1, true, {4096, 1 << 30}};
  EXPECT_EQ(wanted_range(event, 65536), (util::ByteRange{4096, 61440}));
}

TEST(WantedRange, IsTheWholeFileWhenTheAccessHasNoPosition) {
  EXPECT_EQ(wanted_range({5, abi::kPreAccess, 1, false, {}}, 65536), (util::ByteRange{0, 65536}));
}

TEST(WantedRange, IsOneByteForATruncationAndNoneBehindTheEnd) {
  EXPECT_EQ(wanted_range({5, abi::kPreAccess, 1, true, {8192, 0}}, 65536),
            (util::ByteRange{8192, 1}));
  EXPECT_TRUE(wanted_range({5, abi::kPreAccess, 1, true, {65536, 0}}, 65536).empty());
}

class FanotifyTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      group_.emplace(FanotifyGroup::open());
      check_pre_content_support(*group_, directory_.path().native());
    } catch (const util::Error& error) {
      GTEST_SKIP() << error.message();
    }
    const util::Fd file = util::open_file(path_, O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(blob_.blob->size)), 0);
    source_->put(blob_.blob->digest, blob_.stored);
    options_.lane.attempts = 1;
  }
  void start() {
    engine_ = std::make_unique<serve::Engine>(serve::Sources{source_}, options_, log_);
    transport_ = std::make_unique<FanotifyTransport>(*group_, journal_, *engine_, log_);
    transport_->watch({path_, blob_.blob->digest, blob_.blob});
    transport_->start();
  }
  void TearDown() override {
    if (transport_) transport_->stop(std::chrono::milliseconds(0));
  }
  // The bytes, or nothing after EIO.
  std::optional<util::Buffer> read(std::uint64_t offset, std::size_t len) {
    const util::Fd fd = util::open_file(path_, O_RDONLY);
    util::Buffer out(len);
    const ssize_t got = ::pread(fd.get(), out.data(), len, static_cast<off_t>(offset));
    if (got < 0) {
      EXPECT_EQ(errno, EIO);
      return std::nullopt;
    }
    out.resize(static_cast<std::size_t>(got));
    return out;
  }
  // The mark of a complete file goes after the answer; another file's event cannot tell, so read
  // until it is quiet.
  void wait_until_unmarked() {
    while (journal_.outstanding() > 0)
      std::this_thread::yield();
    std::uint64_t requests = 0;
    do {
      requests = transport_->counters().requests;
      EXPECT_EQ(read(0, 4096), expected(0, 4096));
    } while (transport_->counters().requests != requests);
  }
  util::Buffer expected(std::uint64_t offset, std::size_t len) const {
    const auto begin = blob_.data.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(len)};
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "blob";
  FrameBlob blob_ = test::make_frame_blob(test::numbered_bytes(1024 * kKiB, 3), 64 * kKiB);
  std::shared_ptr<FakeSource> source_ = std::make_shared<FakeSource>("source");
  serve::EngineOptions options_;
  util::Log log_{util::LogLevel::kError, util::Log::null_sink()};
  std::optional<FanotifyGroup> group_;
  Journal journal_{FanotifyTransport::kReaders, 128};
  std::unique_ptr<serve::Engine> engine_;
  std::unique_ptr<FanotifyTransport> transport_;
};

TEST_F(FanotifyTransportTest, AReaderOfAHoleGetsTheBytes) {
  start();
  EXPECT_EQ(read(100 * kKiB, 4096), expected(100 * kKiB, 4096));
  EXPECT_EQ(source_->reads().size(), 1U);
  EXPECT_EQ(read(68 * kKiB, 4096), expected(68 * kKiB, 4096));  // same frame
  EXPECT_EQ(source_->reads().size(), 1U);
  EXPECT_EQ(transport_->counters().served, 1U);
}

TEST_F(FanotifyTransportTest, AFailedFetchIsEioAndALaterOneIsNot) {
  start();
  source_->fail_always(util::ErrorCode::kUnavailable);
  EXPECT_EQ(read(0, 4096), std::nullopt);
  EXPECT_EQ(transport_->counters().refused, 1U);
  source_->fail_always(std::nullopt);
  EXPECT_EQ(read(0, 4096), expected(0, 4096));
}

TEST_F(FanotifyTransportTest, AReaderIsAnsweredAlsoWhereThereIsNoMemory) {
  start();
  {
    const test::NoMemory no_memory;
    for (std::size_t i = 0; i < 2 * journal_.kEventsPerRead; ++i)
      EXPECT_EQ(read(0, 4096), std::nullopt);
  }
  EXPECT_EQ(read(0, 4096), expected(0, 4096));
  transport_->stop(std::chrono::milliseconds(0));
  EXPECT_EQ(journal_.outstanding(), 0U);
}

TEST_F(FanotifyTransportTest, CorruptBytesNeverReachTheFile) {
  start();
  source_->flip_byte(blob_.blob->digest, 10);
  EXPECT_EQ(read(0, 4096), std::nullopt);
  EXPECT_EQ(transport_->files().at(0).errors, 1U);
  source_->flip_byte(blob_.blob->digest, 10);
  EXPECT_EQ(read(0, 4096), expected(0, 4096));
}

TEST_F(FanotifyTransportTest, ACompleteFileIsNotWatchedAnyMore) {
  start();
  EXPECT_EQ(read(0, 1024 * kKiB), blob_.data);
  EXPECT_TRUE(transport_->files().at(0).is_complete);
  wait_until_unmarked();
}

// To have its room again, a user makes a complete blob sparse while nothing is mounted.
TEST_F(FanotifyTransportTest, ACompleteFileIsWatchedAgainWhenItHasBecomeSparse) {
  start();
  EXPECT_EQ(read(0, 1024 * kKiB), blob_.data);
  wait_until_unmarked();
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(blob_.blob->size)), 0);
  transport_->watch({path_, blob_.blob->digest, blob_.blob});
  EXPECT_FALSE(transport_->files().at(0).is_complete);
  EXPECT_EQ(read(100 * kKiB, 4096), expected(100 * kKiB, 4096));
}

TEST_F(FanotifyTransportTest, MissingPartsOfABlobWithoutIndexAreErrors) {
  engine_ = std::make_unique<serve::Engine>(serve::Sources{source_}, options_, log_);
  transport_ = std::make_unique<FanotifyTransport>(*group_, journal_, *engine_, log_);
  transport_->watch({path_, blob_.blob->digest, nullptr});
  transport_->start();
  EXPECT_EQ(read(0, 4096), std::nullopt);
  transport_->watch({path_, blob_.blob->digest, blob_.blob});  // now it is known
  EXPECT_EQ(read(0, 4096), expected(0, 4096));
}

// As one that is mended by hand: what lies behind its old end is not known to be there.
TEST_F(FanotifyTransportTest, AFileThatHasGrownIsNeverReadAsZeros) {
  const util::Fd file = util::open_file(path_, O_RDWR);
  ASSERT_EQ(::ftruncate(file.get(), 64 * kKiB), 0);
  engine_ = std::make_unique<serve::Engine>(serve::Sources{source_}, options_, log_);
  transport_ = std::make_unique<FanotifyTransport>(*group_, journal_, *engine_, log_);
  transport_->watch({path_, blob_.blob->digest, nullptr});
  transport_->start();
  ASSERT_EQ(::ftruncate(file.get(), 1024 * kKiB), 0);
  EXPECT_EQ(read(512 * kKiB, 4096), std::nullopt);
  EXPECT_EQ(transport_->counters().refused, 1U);
  EXPECT_THROW(transport_->watch({path_, blob_.blob->digest, blob_.blob}), util::Error);
}

TEST_F(FanotifyTransportTest, AFileThatNobodyRegisteredIsNeverReadAsZeros) {
  start();
  const std::filesystem::path other = directory_.path() / "other";
  const util::Fd fd = util::open_file(other, O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::ftruncate(fd.get(), 65536), 0);
  util::pwrite_full(fd.get(), util::Buffer(4096, 7), 0, "other");
  group_->mark(fd.get(), "other");
  path_ = other;
  EXPECT_EQ(read(8192, 4096), std::nullopt);
  EXPECT_EQ(read(0, 4096), util::Buffer(4096, 7));
}

TEST_F(FanotifyTransportTest, ASuccessorAnswersWhatWasReadAndNotAnswered) {
  start();
  transport_->stop(std::chrono::milliseconds(0));
  auto reader = std::async(std::launch::async, [this] { return read(0, 4096); });
  // As a worker that dies after its read(): the event is in the journal only.
  ASSERT_TRUE(group_->wait(10000));
  ASSERT_TRUE(journal_.reserve());
  ASSERT_EQ(journal_.accept(0, group_->read(journal_.buffer(0))).count, 1U);
  transport_.reset();
  start();
  EXPECT_EQ(reader.get(), expected(0, 4096));
  EXPECT_EQ(transport_->counters().replayed, 1U);
}

TEST_F(FanotifyTransportTest, TheGuardAllowsWhatIsPresentAndRefusesTheRest) {
  start();
  EXPECT_EQ(read(0, 4096), expected(0, 4096));
  transport_->stop(std::chrono::milliseconds(0));
  Guard guard(*group_, journal_);
  guard.answer_outstanding();
  auto present = std::async(std::launch::async, [this] { return read(4096, 4096); });
  while (guard.step(100) == 0) {
  }
  EXPECT_EQ(present.get(), expected(4096, 4096));
  auto missing = std::async(std::launch::async, [this] { return read(512 * kKiB, 4096); });
  while (guard.step(100) == 0) {
  }
  EXPECT_EQ(missing.get(), std::nullopt);
  EXPECT_EQ(guard.refused(), 1U);
  guard.retire();
}

TEST_F(FanotifyTransportTest, StopAnswersReadersThatWait) {
  start();
  source_->hold(blob_.blob->digest);
  auto reader = std::async(std::launch::async, [this] { return read(0, 4096); });
  source_->wait_for_reads(1);
  transport_->stop(std::chrono::milliseconds(0));
  EXPECT_EQ(reader.get(), std::nullopt);
  EXPECT_EQ(journal_.outstanding(), 0U);
  source_->release(blob_.blob->digest);
}

TEST(FanotifyGroup, NamesTheFileSystemThatCannot) {
  std::optional<FanotifyGroup> group;
  try {
    group.emplace(FanotifyGroup::open());
  } catch (const util::Error& error) {
    GTEST_SKIP() << error.message();
  }
  if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no tmpfs at /dev/shm";
  try {
    check_pre_content_support(*group, "/dev/shm");
    FAIL() << "accepted";
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace ondemand::transport
