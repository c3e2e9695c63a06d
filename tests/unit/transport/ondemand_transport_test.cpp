// SPDX-License-Identifier: Apache-2.0
//
// The transport with a scripted device whose objects are real sparse files.  With the kernel:
// tests/vm.
#include "transport/ondemand_transport.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "cache/backing_path.h"
#include "cache/extents.h"
#include "cachefiles/abi.h"
#include "support/fake_source.h"
#include "support/frame_blob.h"
#include "support/scripted_device.h"
#include "support/temporary_directory.h"

namespace ondemand::transport {
namespace {

namespace abi = cachefiles::abi;
using test::FakeSource;
using test::FrameBlob;
using test::ScriptedDevice;
using util::kKiB;
using Completion = ScriptedDevice::Completion;

class OndemandTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    make_file("prepared", blob_.blob->size);
    source_->put(blob_.blob->digest, blob_.stored);
    options_.lane.attempts = 1;
  }
  void TearDown() override {
    if (transport_) transport_->stop(std::chrono::milliseconds(0));
  }
  util::Fd make_file(const std::string& name, std::uint64_t size, int flags = 0) {
    util::Fd file =
        util::open_file(directory_.path() / name, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
    EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
    return file;
  }
  void start() {
    engine_ = std::make_unique<serve::Engine>(serve::Sources{source_}, options_, log_);
    transport_ = std::make_unique<OndemandTransport>(device_, notes_, *engine_, log_);
    transport_->watch({directory_.path() / "prepared", blob_.blob->digest, blob_.blob});
    transport_->start();
    EXPECT_EQ(device_.command_at(next_command_++), "restore");
  }
  // What the kernel opens as an object: a file of its own, for direct I/O.  Waits for copen.
  int open(std::uint32_t object_id, const std::string& key, std::uint64_t size,
           const std::string& volume = "erofs,ondemand") {
    files_.push_back(make_file(util::concat("object", files_.size()), size, O_DIRECT));
    const int fd = files_.back().get();
    send_open(object_id, key, fd, volume);
    EXPECT_EQ(device_.command_at(next_command_++), util::concat("copen 1,", size));
    return fd;
  }
  int open_blob(std::uint32_t object_id, const std::string& volume = "erofs,ondemand") {
    return open(object_id, blob_.blob->digest.hex(), blob_.blob->size, volume);
  }
  void send_open(std::uint32_t object_id, const std::string& key, int fd,
                 const std::string& volume = "erofs,ondemand") {
    cachefiles::OndemandMessage message;
    message.header = {1, abi::kOpOpen, object_id};
    message.volume_key = volume;
    message.cookie_key = key;
    message.fd = fd;
    device_.send(cachefiles::encode_ondemand_message(message));
  }
  void send_read(std::uint32_t message_id, std::uint32_t object_id, std::uint64_t offset,
                 std::uint64_t len) {
    cachefiles::OndemandMessage message;
    message.header = {message_id, abi::kOpRead, object_id};
    message.range = {offset, len};
    device_.send(cachefiles::encode_ondemand_message(message));
  }
  void send_close(std::uint32_t object_id) {
    cachefiles::OndemandMessage message;
    message.header = {99, abi::kOpClose, object_id};
    device_.send(cachefiles::encode_ondemand_message(message));
  }
  Completion completion() { return device_.completion_at(next_completion_++); }
  static bool is_hole(int fd, std::uint64_t offset) {
    return ::lseek(fd, static_cast<off_t>(offset), SEEK_HOLE) == static_cast<off_t>(offset);
  }
  util::Buffer content(std::size_t object, std::uint64_t offset, std::size_t len) const {
    util::Buffer out(len);
    const auto path = directory_.path() / util::concat("object", object);
    util::pread_full(util::open_file(path, O_RDONLY).get(), out, offset, "object");
    return out;
  }
  util::Buffer expected(std::uint64_t offset, std::size_t len) const {
    const auto begin = blob_.data.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(len)};
  }

  test::TemporaryDirectory directory_;
  FrameBlob blob_ = test::make_frame_blob(test::numbered_bytes(1000 * kKiB + 100, 3), 64 * kKiB);
  std::shared_ptr<FakeSource> source_ = std::make_shared<FakeSource>("source");
  serve::EngineOptions options_;
  util::Log log_{util::LogLevel::kError, util::Log::null_sink()};
  WorkerNotes notes_;
  std::vector<util::Fd> files_;
  ScriptedDevice device_;
  std::unique_ptr<serve::Engine> engine_;
  std::unique_ptr<OndemandTransport> transport_;
  std::size_t next_command_ = 0;
  std::size_t next_completion_ = 0;
};

TEST_F(OndemandTransportTest, AReadIsFilledThroughTheDescriptorOfItsObject) {
  start();
  const int fd = open_blob(5);
  send_read(7, 5, 100 * kKiB, 8192);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_EQ(content(0, 100 * kKiB, 8192), expected(100 * kKiB, 8192));
  EXPECT_EQ(transport_->counters().served, 1U);
  EXPECT_EQ(device_.misaligned_writes(), 0U);
}

TEST_F(OndemandTransportTest, TheTailOfTheLastBlockIsZeros) {
  start();
  open_blob(5);
  send_read(7, 5, 1000 * kKiB, 4096);
  completion();
  util::Buffer last = expected(1000 * kKiB, 100);
  last.resize(4096);
  EXPECT_EQ(content(0, 1000 * kKiB, 4096), last);
  EXPECT_EQ(device_.misaligned_writes(), 0U);
}

TEST_F(OndemandTransportTest, AnUnknownKeyIsRefusedAndItsDescriptorClosed) {
  start();
  send_open(5, "foreign", 77);
  EXPECT_EQ(device_.command_at(next_command_++), "copen 1,-2");
  device_.wait_for_close(77);
  EXPECT_EQ(transport_->open_objects(), 0U);
}

TEST_F(OndemandTransportTest, AnOpenThatNobodyWaitsForAnyMoreIsForgotten) {
  device_.on_command([](std::string_view text) { return text == "restore" ? 0 : EINVAL; });
  start();
  send_open(5, blob_.blob->digest.hex(), 77);
  device_.wait_for_close(77);
  EXPECT_EQ(transport_->open_objects(), 0U);
}

TEST_F(OndemandTransportTest, AFailedFetchLeavesTheHoleAndCompletes) {
  start();
  const int fd = open_blob(5);
  source_->fail_always(util::ErrorCode::kUnavailable);
  send_read(7, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_TRUE(is_hole(fd, 0));
  source_->fail_always(std::nullopt);
  send_read(8, 5, 0, 4096);
  completion();
  EXPECT_EQ(content(0, 0, 4096), expected(0, 4096));
  transport_->stop(std::chrono::seconds(1));
  EXPECT_EQ(transport_->files().at(0).errors, 1U);
}

TEST_F(OndemandTransportTest, ABootstrapComesFromTheLocalFile) {
  const util::Buffer bytes = test::numbered_bytes(600 * kKiB, 9);
  const util::Fd local = make_file("bootstrap", bytes.size());
  util::pwrite_full(local.get(), bytes, 0, "bootstrap");
  const hash::Digest digest = hash::sha256(bytes);
  start();
  transport_->offer_local({directory_.path() / "bootstrap", digest, nullptr});
  const int fd = open(3, digest.hex(), bytes.size());
  send_read(7, 3, 4096, 590 * kKiB);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_EQ(content(0, 4096, 590 * kKiB),
            util::Buffer(bytes.begin() + 4096, bytes.begin() + 4096 + 590 * kKiB));
  EXPECT_TRUE(is_hole(fd, 0));  // not asked for
  EXPECT_EQ(device_.misaligned_writes(), 0U);
  EXPECT_TRUE(source_->reads().empty());
  EXPECT_EQ(transport_->files().size(), 1U);
}

TEST_F(OndemandTransportTest, ABootstrapThatLostDataIsNeverCopiedAsZeros) {
  const util::Fd local = make_file("bootstrap", 64 * kKiB);
  util::pwrite_full(local.get(), util::Buffer(4096, 1), 0, "bootstrap");
  const hash::Digest digest = hash::sha256(util::as_bytes("bootstrap"));
  start();
  transport_->offer_local({directory_.path() / "bootstrap", digest, nullptr});
  const int fd = open(3, digest.hex(), 64 * kKiB);
  send_read(7, 3, 0, 8192);
  completion();
  EXPECT_TRUE(is_hole(fd, 0));
  EXPECT_EQ(transport_->counters().refused, 1U);
}

TEST_F(OndemandTransportTest, ADescriptorStaysOpenWhileARequestUsesIt) {
  start();
  const int fd = open_blob(5);
  source_->hold(blob_.blob->digest);
  send_read(7, 5, 0, 4096);
  source_->wait_for_reads(1);
  send_close(5);
  while (transport_->open_objects() > 0)
    std::this_thread::yield();
  EXPECT_FALSE(device_.is_closed(fd));
  source_->release(blob_.blob->digest);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  device_.wait_for_close(fd);
  EXPECT_TRUE(is_hole(fd, 0));  // nothing is written behind a CLOSE
}

TEST_F(OndemandTransportTest, AnObjectThatIsOpenedAgainIsFilledThroughItsNewDescriptor) {
  start();
  open_blob(5);
  send_close(5);
  const int second = open_blob(6);
  send_read(8, 6, 0, 4096);
  EXPECT_EQ(completion(), (Completion{second, 8}));
  EXPECT_EQ(content(1, 0, 4096), expected(0, 4096));
}

TEST_F(OndemandTransportTest, OneBlobInTwoVolumesIsFilledInBoth) {
  start();
  open_blob(5);
  open_blob(6, "erofs,other");
  source_->hold(blob_.blob->digest);
  send_read(7, 5, 0, 4096);
  source_->wait_for_reads(1);
  send_read(8, 6, 0, 4096);  // joins the fetch that goes to the other file
  device_.drain();
  source_->release(blob_.blob->digest);
  completion();
  completion();
  EXPECT_EQ(content(0, 0, 4096), expected(0, 4096));
  EXPECT_EQ(content(1, 0, 4096), expected(0, 4096));
}

TEST_F(OndemandTransportTest, OneBlobInManyVolumesIsFilledInAll) {
  constexpr std::uint32_t kVolumes = 9;
  start();
  source_->hold(blob_.blob->digest);
  for (std::uint32_t i = 0; i < kVolumes; ++i) {
    open_blob(5 + i, util::concat("erofs,volume", i));
    send_read(100 + i, 5 + i, 0, 4096);
    source_->wait_for_reads(1);
  }
  device_.drain();
  source_->release(blob_.blob->digest);
  for (std::uint32_t i = 0; i < kVolumes; ++i)
    completion();
  for (std::uint32_t i = 0; i < kVolumes; ++i)
    EXPECT_EQ(content(i, 0, 4096), expected(0, 4096)) << i;
  EXPECT_EQ(transport_->counters().refused, 0U);
}

TEST_F(OndemandTransportTest, AWriteThroughADescriptorThatWasReplacedIsTriedAgain) {
  start();
  open_blob(5);
  source_->hold(blob_.blob->digest);
  send_read(7, 5, 0, 4096);
  source_->wait_for_reads(1);
  open_blob(6);  // the kernel has closed the object and opened it again
  device_.fail_writes({ENOBUFS});
  source_->release(blob_.blob->digest);
  completion();
  EXPECT_EQ(content(1, 0, 4096), expected(0, 4096));
}

TEST_F(OndemandTransportTest, ACacheWithoutRoomIsAnErrorAfterOneFetch) {
  start();
  const int fd = open_blob(5);
  // Enough for all of a fetch: what nobody waits for is written behind the answer.
  device_.fail_writes(std::deque<int>(64, ENOBUFS));
  send_read(7, 5, 0, 4096);
  completion();
  EXPECT_EQ(source_->reads().size(), 1U);
  EXPECT_TRUE(is_hole(fd, 0));
  device_.fail_writes(std::deque<int>(64, ENOSPC));
  send_read(8, 5, 0, 4096);
  completion();
  EXPECT_TRUE(is_hole(fd, 0));
  transport_->stop(std::chrono::seconds(1));
  EXPECT_EQ(transport_->counters().refused, 2U);
}

TEST_F(OndemandTransportTest, TheDescriptorOfAnOpenThatIsNotUnderstoodIsClosed) {
  start();
  cachefiles::OndemandMessage message;
  message.header = {9, abi::kOpOpen, 5};
  message.volume_key = "erofs,ondemand";
  message.cookie_key = "key";
  message.fd = 77;
  util::Buffer bytes = cachefiles::encode_ondemand_message(message);
  bytes.pop_back();
  device_.send(bytes);
  EXPECT_EQ(device_.command_at(next_command_++), "copen 9,-71");
  device_.wait_for_close(77);
}

TEST_F(OndemandTransportTest, AReadThatManyWorkersDiedOfIsRefused) {
  for (std::uint32_t i = 0; i < GivenRequests::kMaxWorkers; ++i) {
    notes_.given.begin_worker();
    notes_.given.note_given({7, 4096});
  }
  start();
  const int fd = open_blob(5);
  send_read(7, 5, 4096, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_TRUE(is_hole(fd, 4096));
  send_read(7, 5, 4096, 4096);  // the number is free again
  completion();
  EXPECT_EQ(content(0, 4096, 4096), expected(4096, 4096));
}

TEST_F(OndemandTransportTest, AnOpenThatManyWorkersDiedOfIsRefused) {
  for (std::uint32_t i = 0; i < GivenRequests::kMaxWorkers; ++i) {
    notes_.given.begin_worker();
    notes_.given.note_given({1, ~std::uint64_t{0}});
  }
  start();
  send_open(5, blob_.blob->digest.hex(), 77);
  EXPECT_EQ(device_.command_at(next_command_++), "copen 1,-5");
  device_.wait_for_close(77);
  open_blob(6);  // the number is free again
}

// A refusal would make the kernel open it again, without end, while the reader waits.
TEST_F(OndemandTransportTest, AnObjectInUseThatIsNotKnownIsOpenedAndItsReadsAreRefused) {
  start();
  const int fd = open(5, "foreign", 64 * kKiB);
  send_read(7, 5, 4096, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_TRUE(is_hole(fd, 0));
  EXPECT_EQ(transport_->counters().refused, 1U);
  EXPECT_FALSE(device_.is_closed(fd));
  send_close(5);
  device_.wait_for_close(fd);
}

TEST_F(OndemandTransportTest, WhatIsPresentOfAnObjectThatIsNotKnownIsServed) {
  start();
  const int fd = open(5, "foreign", 64 * kKiB);
  const util::Fd file = util::open_file(directory_.path() / "object0", O_WRONLY);
  util::pwrite_full(file.get(), util::Buffer(4096, 1), 0, "object");
  send_read(7, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_EQ(transport_->counters().present, 1U);
}

TEST_F(OndemandTransportTest, AnObjectInUseIsFilledOnceItsImageIsKnownAgain) {
  const FrameBlob late = test::make_frame_blob(test::numbered_bytes(128 * kKiB, 5), 64 * kKiB);
  source_->put(late.blob->digest, late.stored);
  start();
  const int fd = open(5, late.blob->digest.hex(), late.blob->size);
  send_read(7, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_TRUE(is_hole(fd, 0));
  make_file("late", late.blob->size);
  transport_->watch({directory_.path() / "late", late.blob->digest, late.blob});
  send_read(8, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 8}));
  EXPECT_EQ(content(0, 0, 4096), util::Buffer(late.data.begin(), late.data.begin() + 4096));
}

// Else what the write leaves would be known to this worker only.
TEST_F(OndemandTransportTest, AFailedWriteToAnObjectThatWasNotKnownIsMendedAsWell) {
  const FrameBlob late = test::make_frame_blob(test::numbered_bytes(128 * kKiB, 5), 64 * kKiB);
  const std::string key = late.blob->digest.hex();
  source_->put(late.blob->digest, late.stored);
  start();
  const int fd = open(5, key, late.blob->size);
  const auto path = directory_.path() / cache::backing_path("erofs,ondemand", key);
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::create_hard_link(directory_.path() / "object0", path);
  send_read(7, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  const auto prepared = directory_.path() / "volume" / "directory";
  std::filesystem::create_directories(prepared);
  make_file("volume/directory/late", late.blob->size);
  transport_->watch({prepared / "late", late.blob->digest, late.blob});
  if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) != 0 ||
      cache::unwritten_ranges(fd, "object").empty())
    GTEST_SKIP() << "the file system does not tell unwritten extents";
  device_.fail_writes({ENOSPC});
  send_read(8, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 8}));
  EXPECT_EQ(cache::unwritten_ranges(fd, "object").size(), 0U);
  EXPECT_EQ(transport_->counters().refused, 2U);
  send_read(9, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 9}));
  EXPECT_EQ(content(0, 0, 4096), util::Buffer(late.data.begin(), late.data.begin() + 4096));
  send_close(5);
  device_.wait_for_close(fd);
}

// The object that is opened while another read makes the first one known is filled, too.
TEST_F(OndemandTransportTest, ObjectsOfOneFileAreAllFilledOnceItsImageIsKnownAgain) {
  const FrameBlob late = test::make_frame_blob(test::numbered_bytes(128 * kKiB, 5), 64 * kKiB);
  source_->put(late.blob->digest, late.stored);
  start();
  open(5, late.blob->digest.hex(), late.blob->size);
  const int newer = open(6, late.blob->digest.hex(), late.blob->size);
  make_file("late", late.blob->size);
  transport_->watch({directory_.path() / "late", late.blob->digest, late.blob});
  send_read(7, 6, 0, 4096);
  EXPECT_EQ(completion(), (Completion{newer, 7}));
  EXPECT_FALSE(is_hole(newer, 0));
  send_read(8, 5, 64 * kKiB, 4096);  // through the newer descriptor
  completion();
  EXPECT_FALSE(is_hole(newer, 64 * kKiB));
}

TEST_F(OndemandTransportTest, AnObjectInUseIsNotFilledFromAFileOfAnotherSize) {
  start();
  const int fd = open(5, "foreign", 64 * kKiB);
  make_file("late", 128 * kKiB);
  const hash::Digest digest = hash::sha256(util::as_bytes("late"));
  const int other = open(6, digest.hex(), 64 * kKiB);
  transport_->watch({directory_.path() / "late", digest, nullptr});
  send_read(7, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  send_read(8, 6, 0, 4096);
  EXPECT_EQ(completion(), (Completion{other, 8}));
  EXPECT_EQ(transport_->counters().refused, 2U);
}

TEST_F(OndemandTransportTest, AnObjectInUseWhoseOpenManyWorkersDiedOfIsOpenedWithoutItsBlob) {
  for (std::uint32_t i = 0; i < GivenRequests::kMaxWorkers; ++i) {
    notes_.given.begin_worker();
    notes_.given.note_given({1, ~std::uint64_t{0}});
  }
  start();
  const int fd = open_blob(5);
  send_read(7, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  EXPECT_TRUE(is_hole(fd, 0));
  EXPECT_EQ(transport_->counters().refused, 1U);
  const int second = open_blob(6);  // the number is free again
  send_read(8, 6, 0, 4096);
  EXPECT_EQ(completion(), (Completion{second, 8}));
  EXPECT_FALSE(is_hole(second, 0));
}

TEST_F(OndemandTransportTest, ReadsOfObjectsThatAreGoneAreLeftToTheKernel) {
  start();
  send_read(7, 123, 0, 4096);
  send_close(123);
  const int fd = open_blob(5);
  send_read(8, 5, 0, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 8}));
}

TEST_F(OndemandTransportTest, RangesOutsideOfTheObjectAreRefused) {
  start();
  const int fd = open_blob(5);
  send_read(7, 5, blob_.blob->size, 4096);
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  send_read(8, 5, 0xfffffffffffff000, 0xffffffffffffffff);
  EXPECT_EQ(completion(), (Completion{fd, 8}));
  send_read(9, 5, blob_.blob->size - 4096, 0xffffffffffffffff);
  completion();
  EXPECT_FALSE(is_hole(fd, blob_.blob->size - 4096));
}

TEST_F(OndemandTransportTest, WhatIsNotUnderstoodIsRefusedWhereThatIsPossible) {
  start();
  const int fd = open_blob(5);
  cachefiles::OndemandMessage message;
  message.header = {40, abi::kOpRead, 5};
  util::Buffer bad = cachefiles::encode_ondemand_message(message);
  bad.resize(24);
  device_.send(bad);
  EXPECT_EQ(completion(), (Completion{fd, 40}));
  message.header = {41, abi::kOpOpen, 6};
  bad = cachefiles::encode_ondemand_message(message);
  bad.resize(24);
  device_.send(bad);
  EXPECT_EQ(device_.command_at(next_command_++), "copen 41,-71");
  device_.send({1, 2, 3});
  message.header = {42, 9, 5};
  device_.send(cachefiles::encode_ondemand_message(message));
  device_.drain();
  transport_->stop(std::chrono::seconds(1));
  EXPECT_EQ(transport_->counters().malformed, 4U);
}

TEST_F(OndemandTransportTest, TellsWhenTheCacheHasDied) {
  start();
  // Mainline's poll() says nothing about it.
  device_.die(false);
  pollfd dead{transport_->dead_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&dead, 1, 30'000), 1);
}

TEST_F(OndemandTransportTest, AKernelWithoutRestoreIsServedAllTheSame) {
  device_.on_command([](std::string_view text) { return text == "restore" ? EOPNOTSUPP : 0; });
  start();
  open_blob(5);
  send_read(7, 5, 0, 4096);
  completion();
  EXPECT_EQ(content(0, 0, 4096), expected(0, 4096));
}

TEST_F(OndemandTransportTest, StoppingCompletesWhatIsUnderWay) {
  start();
  const int fd = open_blob(5);
  source_->hold(blob_.blob->digest);
  send_read(7, 5, 0, 4096);
  source_->wait_for_reads(1);
  std::thread stopper([&] { transport_->stop(std::chrono::milliseconds(0)); });
  EXPECT_EQ(completion(), (Completion{fd, 7}));
  source_->release(blob_.blob->digest);
  stopper.join();
}

}  // namespace
}  // namespace ondemand::transport
