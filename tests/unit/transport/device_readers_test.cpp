// SPDX-License-Identifier: Apache-2.0
#include "transport/device_readers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/scripted_device.h"

namespace ondemand::transport {
namespace {

// The kernel makes a descriptor for an OPEN while it is read.
class OpeningDevice : public test::ScriptedDevice {
 public:
  Read read(util::MutableBytes buffer) override {
    reads_.fetch_add(1);
    if (const int error = error_) return {0, error};
    const Read got = ScriptedDevice::read(buffer);
    if (got.bytes == 0) return got;
    const util::Fd made(::fcntl(poll_fd(), F_DUPFD_CLOEXEC, 0));
    if (!made) without_room_.fetch_add(1);
    return got;
  }
  void fail_reads(int error) { error_ = error; }
  void wait_for_reads(int count) const {
    while (reads_ < count)
      std::this_thread::yield();
  }
  int without_room() const { return without_room_; }

 private:
  std::atomic<int> error_ = 0;
  std::atomic<int> reads_ = 0;
  std::atomic<int> without_room_ = 0;
};

// Takes all descriptors that this process may have.
class NoDescriptorsLeft {
 public:
  NoDescriptorsLeft() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &few);
    for (;;) {
      util::Fd fd(::fcntl(0, F_DUPFD_CLOEXEC, 0));
      if (!fd) break;
      taken_.push_back(std::move(fd));
    }
  }
  ~NoDescriptorsLeft() {
    taken_.clear();
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }

 private:
  rlimit before_{};
  std::vector<util::Fd> taken_;
};

class DeviceReadersTest : public testing::Test {
 protected:
  void make(bool is_mainline) {
    readers_ = std::make_unique<DeviceReaders>(
        device_, log_, [this](util::Bytes) { handled_.fetch_add(1); },
        is_mainline ? [] {} : std::function<void()>());
  }
  void send_and_wait() {
    const int before = handled_;
    device_.send({1});
    while (handled_ == before)
      std::this_thread::yield();
  }

  std::atomic<int> handled_ = 0;
  std::atomic<int> lines_ = 0;
  util::Log log_{util::LogLevel::kError,
                 [this](util::LogLevel, std::string_view) { lines_.fetch_add(1); }};
  OpeningDevice device_;
  std::unique_ptr<DeviceReaders> readers_;
};

TEST_F(DeviceReadersTest, ReadsThatFailAreToldNowAndThen) {
  make(false);
  device_.fail_reads(EMFILE);
  device_.send({1});
  readers_->start(4);
  device_.wait_for_reads(200);
  device_.fail_reads(0);
  while (handled_ == 0)
    std::this_thread::yield();
  EXPECT_GE(lines_, 1);
  EXPECT_LT(lines_, 20);
}

TEST_F(DeviceReadersTest, ThereIsRoomForTheDescriptorOfAnOpen) {
  make(true);
  readers_->start(1);
  send_and_wait();
  {
    const NoDescriptorsLeft none;
    for (int i = 0; i < 20; ++i)
      send_and_wait();
  }
  EXPECT_EQ(device_.without_room(), 0);
  EXPECT_EQ(lines_, 0);
}

TEST_F(DeviceReadersTest, MessagesAreReadWithoutThatRoomAsWell) {
  make(true);
  {
    const NoDescriptorsLeft none;
    readers_->start(1);
    send_and_wait();
  }
  EXPECT_EQ(device_.without_room(), 1);
  EXPECT_EQ(lines_, 1);
  send_and_wait();
  send_and_wait();
  EXPECT_EQ(device_.without_room(), 1);
}

// Messages that bring no descriptor do not wait for one each time.
TEST_F(DeviceReadersTest, WithoutThatRoomManyMessagesAreTwoLinesAtMost) {
  make(true);
  const NoDescriptorsLeft none;
  readers_->start(1);
  for (int i = 0; i < 500; ++i)
    send_and_wait();
  EXPECT_EQ(device_.without_room(), 500);
  EXPECT_LE(lines_, 2);
}

}  // namespace
}  // namespace ondemand::transport
