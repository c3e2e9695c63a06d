// SPDX-License-Identifier: Apache-2.0
//
// Behaviours of answers: failing, empty, partial, misplaced and wrong ones.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "behaviour/cachefiles/behaviour_test.h"
#include "cache/backing_path.h"
#include "cache/cookie_file.h"
#include "cachefiles/abi.h"

namespace ondemand::behaviour {
namespace {

class Answers : public Behaviour {
 protected:
  // The look-up of a blob goes on behind the mount; B04 tells what is before its end.
  int blob_descriptor() {
    const int fd = daemon_->descriptor("blob0");
    while (device_->seek_object(fd, 0, SEEK_END) == -ENOBUFS)
      std::this_thread::yield();
    return fd;
  }
  // Of 64 KiB, aligned for direct I/O.
  util::Bytes aligned() {
    static std::array<std::uint8_t, 65536 + 4096> memory{};
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    return util::Bytes(memory).subspan((4096 - address % 4096) % 4096, 65536);
  }
};
INSTANTIATE_TEST_SUITE_P(, Answers, testing::ValuesIn(parameters()), name_of);

// fscache/002
TEST_P(Answers, B02_FailingOpenFailsTheMountAndNothingElse) {
  prepare(image_, {"boot", ""});
  ASSERT_EQ(begin_service(), 0);
  if (is_demand()) {
    // There is no OPEN: what is not prepared is what cannot be opened.
    EXPECT_EQ(mount(image_, {"other", ""}), expected().failed_mount);
    const auto boot = cache::cookie_path(root_, {"erofs,boot", "boot", 1});
    std::filesystem::rename(boot, root_ / "away");
    EXPECT_EQ(mount(image_), expected().failed_mount);
    EXPECT_FALSE(std::filesystem::exists(boot));
    std::filesystem::rename(root_ / "away", boot);
  } else {
    daemon_->set_open_error(ENOENT);
    EXPECT_EQ(mount(image_), expected().failed_mount);
    daemon_->set_open_error(0);
    daemon_->close_descriptors();
  }
  ASSERT_EQ(mount(image_), 0);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

// fscache/004
TEST_P(Answers, B04_WriteToADescriptorThatIsNotReady) {
  ONLY_ONDEMAND();
  prepare(image_, {"boot", ""});
  ASSERT_EQ(begin_service(), 0);
  daemon_->stop();
  std::thread mounting([&] { mount(image_); });
  ASSERT_TRUE(waits());
  util::Buffer buffer(1024);
  const auto got = device_->read(buffer);
  ASSERT_GT(got.bytes, 32u);
  std::uint32_t id = 0;
  std::uint32_t fd = 0;
  std::memcpy(&id, buffer.data(), sizeof id);
  std::memcpy(&fd, buffer.data() + 24, sizeof fd);
  EXPECT_EQ(device_->write_object(static_cast<int>(fd), 0, aligned().first(4096)), ENOBUFS);
  EXPECT_EQ(device_->seek_object(static_cast<int>(fd), 0, SEEK_END), -ENOBUFS);
  EXPECT_EQ(device_->command("copen " + std::to_string(id) + ",-5"), 0);
  mounting.join();
  EXPECT_EQ(mount_, nullptr);
  system_->close_descriptor(static_cast<int>(fd));
}

// fscache/005
TEST_P(Answers, B05_ADaemonThatMisbehavesHarmsItselfOnly) {
  begin();
  for (const char* nonsense : {"done 4711", "fail 4711,5", "copen 4711,5", "restore", "bind", "",
                               "cull nothing", "hello", "done", "fail 1", "copen x,y", "tag"})
    device_->command(nonsense);
  daemon_->set_answer(Answer::kNothing);
  EXPECT_EQ(read(image_.files[0], 0, 65536), Outcome::kIoError);
  daemon_->set_answer(Answer::kFill);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

// fscache/006
TEST_P(Answers, B06_ClosedDescriptorIsGivenAgain) {
  ONLY_ONDEMAND();
  begin();
  const int before = blob_descriptor();
  EXPECT_EQ(device_->close_object(before), 0);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
  EXPECT_NE(daemon_->descriptor("blob0"), -1);
}

// fscache/007; "fail" wakes the reader at once.
TEST_P(Answers, B07_FailingReadIsAnErrorAndTheNextOneMaySucceed) {
  begin();
  daemon_->set_answer(Answer::kFail);
  EXPECT_EQ(read(image_.files[0], 0, 65536), Outcome::kIoError);
  daemon_->set_answer(Answer::kFill);
  EXPECT_EQ(read(image_.files[0], 0, 65536), Outcome::kGood);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

// fscache/010
TEST_P(Answers, B10_WhatIsPresentCanBeAskedOfTheFile) {
  begin();
  ASSERT_EQ(read(image_.files[0], 0, 4096), Outcome::kGood);
  const auto size = static_cast<std::int64_t>(image_.blobs[0].size());
  if (is_demand()) {
    const util::Fd fd(
        util::open_file(cache::cookie_path(root_, {"erofs,boot", "blob0", 1}), O_RDONLY));
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_DATA), 0);
    const auto hole = ::lseek(fd.get(), 0, SEEK_HOLE);
    EXPECT_GE(hole, 4096);
    EXPECT_LT(hole, size);
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_END), size);
    return;
  }
  const int fd = blob_descriptor();
  EXPECT_EQ(device_->seek_object(fd, 0, SEEK_DATA), 0);
  const auto hole = device_->seek_object(fd, 0, SEEK_HOLE);
  EXPECT_GE(hole, 4096);
  EXPECT_LT(hole, size);
  EXPECT_EQ(device_->seek_object(fd, 0, SEEK_END), size);
  EXPECT_EQ(device_->seek_object(fd, size, SEEK_DATA), -ENXIO);
}

// fscache/013
TEST_P(Answers, B13_FilesInUseAreNotCulled) {
  begin();
  mount_.reset();
  if (is_demand()) {
    ASSERT_EQ(mount(image_), 0);
  } else {
    ASSERT_EQ(mount(image_), 0);  // the kernel's file has its name only since it was let go
  }
  ASSERT_EQ(read(image_.files[0], 0, 4096), Outcome::kGood);
  const auto file = cache::cookie_path(root_, {"erofs,boot", "blob0", 1});
  const std::string name = file.filename();
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(file.parent_path());
  EXPECT_EQ(device_->command("inuse " + name), EBUSY);
  EXPECT_EQ(device_->command("cull " + name), EBUSY);
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(device_->command("inuse nothing"), ENOENT);
  EXPECT_EQ(device_->command("inuse a/b"), EINVAL);
  mount_.reset();
  // It is let go behind the unmount.
  while (device_->command("inuse " + name) == EBUSY)
    std::this_thread::yield();
  EXPECT_EQ(device_->command("inuse " + name), 0);
  EXPECT_EQ(device_->command("cull " + name), 0);
  EXPECT_FALSE(std::filesystem::exists(file));
  std::filesystem::current_path(before);
}

TEST_P(Answers, B15_AnswerWithoutDataIsAnErrorNotZeros) {
  begin();
  daemon_->set_answer(Answer::kNothing);
  EXPECT_EQ(read(image_.files[0], 0, 65536), Outcome::kIoError);
  EXPECT_EQ(read(image_.files[1], 0, 4096), Outcome::kIoError);
  daemon_->set_answer(Answer::kFill);
  EXPECT_EQ(read(image_.files[0]), Outcome::kGood);
}

TEST_P(Answers, B16_RestOfAPartialAnswerIsAskedForAgain) {
  begin();
  daemon_->forget_requests();
  daemon_->set_answer(Answer::kFillHalf);
  EXPECT_EQ(read(image_.files[0], 0, 65536), Outcome::kGood);
  EXPECT_GT(daemon_->blob_requests(), 1u);
  // Progress must begin at the first byte.
  daemon_->set_answer(Answer::kFillTail);
  EXPECT_EQ(read(image_.files[1], 0, 65536), Outcome::kIoError);
  daemon_->set_answer(Answer::kFill);
  EXPECT_EQ(read(image_.files[1], 0, 65536), Outcome::kGood);
}

TEST_P(Answers, B22_NoRoomIsAnErrorUntilThereIsRoom) {
  begin();
  if (!system_->set_full(true)) GTEST_SKIP() << "the file system is too large to be filled";
  EXPECT_EQ(read(image_.files[1]), Outcome::kIoError);
  system_->set_full(false);
  EXPECT_EQ(read(image_.files[1]), Outcome::kGood);
}

// A daemon that culls as long as poll() says so must neither begin late nor go on for ever.
TEST_P(Answers, B31_PollSaysSoonWhetherToCull) {
  ONLY_DEMAND();
  begin();
  daemon_->stop();
  const auto wants_culling = [&] {
    pollfd state{device_->poll_fd(), POLLOUT, 0};
    return ::poll(&state, 1, 0) == 1;
  };
  const auto look = [&] {
    util::Buffer message(cachefiles::abi::kMaxMessageBytes);
    EXPECT_EQ(device_->read(message).error, 0);
  };
  EXPECT_FALSE(wants_culling());
  if (!system_->set_full(true)) GTEST_SKIP() << "the file system is too large to be filled";
  look();  // nobody has answered anything
  EXPECT_TRUE(wants_culling());
  system_->set_full(false);
  look();
  EXPECT_FALSE(wants_culling());

  system_->set_full(true);
  look();
  EXPECT_TRUE(wants_culling());
  system_->set_full(false);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(root_ / "cache");
  std::ofstream("unused") << "x";
  EXPECT_EQ(device_->command("cull unused"), 0);
  EXPECT_FALSE(wants_culling());
  std::filesystem::current_path(before);
}

TEST_P(Answers, B25_OneOpenerOneBindAndWholeMessages) {
  begin();
  EXPECT_EQ(system_->open(Protocol::kDemand).error, EBUSY);
  EXPECT_EQ(system_->open(Protocol::kOndemand).error, EBUSY);
  EXPECT_EQ(device_->command(is_demand() ? "bind" : "bind ondemand"), EBUSY);
  EXPECT_EQ(device_->command("dir /tmp"), EEXIST);
  daemon_->stop();
  util::Buffer small(is_demand() ? 56 : 8);
  EXPECT_EQ(device_->read(small).bytes, 0u);
  const auto reading = start(0);
  ASSERT_TRUE(waits());
  EXPECT_EQ(device_->read(small).error, EMSGSIZE);
  ASSERT_TRUE(waits());
  daemon_->start(1);
  EXPECT_EQ(reading->wait(), Outcome::kGood);
}

TEST_P(Answers, B26_OddAlignmentIsRefusedAndNothingIsWritten) {
  ONLY_ONDEMAND();
  begin();
  const int fd = blob_descriptor();
  const auto hole = device_->seek_object(fd, 0, SEEK_HOLE);
  EXPECT_EQ(device_->write_object(fd, 0, aligned().subspan(1, 4096)), EINVAL);
  EXPECT_EQ(device_->write_object(fd, 0, aligned().first(100)), EINVAL);
  EXPECT_EQ(device_->write_object(fd, 512, aligned().first(512)), ENOBUFS);
  EXPECT_EQ(device_->write_object(fd, 8704, aligned().first(4096)), ENOBUFS);
  EXPECT_EQ(device_->seek_object(fd, 0, SEEK_HOLE), hole);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

TEST_P(Answers, B27_MarkKeepsTheOtherModeOut) {
  prepare(image_, {"boot", ""});
  ASSERT_EQ(begin_service(), 0);
  ASSERT_EQ(mount(image_), 0);
  EXPECT_EQ(read(image_.files[0]), Outcome::kGood);
  mount_.reset();
  end_service();
  auto other = system_->open(is_demand() ? Protocol::kOndemand : Protocol::kDemand);
  ASSERT_EQ(other.error, 0);
  ASSERT_EQ(other.device->command("dir " + root_.native()), 0);
  EXPECT_EQ(other.device->command(is_demand() ? "bind ondemand" : "bind"), EMEDIUMTYPE);
  other.device.reset();
  ASSERT_EQ(begin_service(), 0);
  ASSERT_EQ(mount(image_), 0);
  EXPECT_EQ(read(image_.files[0]), Outcome::kGood);
  EXPECT_EQ(daemon_->requests().size(), 0u);
}

TEST_P(Answers, B28_UnknownCommandsAndIdsHaveTheirErrors) {
  begin();
  const auto expect = [&](const char* text, int demand, int ondemand) {
    EXPECT_EQ(device_->command(text), is_demand() ? demand : ondemand) << text;
  };
  expect("hello", EOPNOTSUPP, EOPNOTSUPP);
  expect("cread 1", EOPNOTSUPP, EOPNOTSUPP);
  expect(" bind", EOPNOTSUPP, EOPNOTSUPP);
  expect("\n", EINVAL, EINVAL);
  expect("done 4711", EINVAL, EOPNOTSUPP);
  expect("done x", EINVAL, EOPNOTSUPP);
  expect("fail 4711,5", EINVAL, EOPNOTSUPP);
  expect("fail 1,0", EINVAL, EOPNOTSUPP);
  expect("fail 1,4096", EINVAL, EOPNOTSUPP);
  expect("copen 4711,5", EOPNOTSUPP, EINVAL);
  expect("copen 4711", EOPNOTSUPP, EINVAL);
  expect("copen", EOPNOTSUPP, EINVAL);
  expect("restore", 0, 0);
  expect("restore now", EINVAL, 0);
  expect("compat", EBUSY, EOPNOTSUPP);
  expect("brun 3%", EINVAL, EINVAL);
  expect("brun 50", EINVAL, EINVAL);
  EXPECT_EQ(device_->command(std::string(5000, 'a')), EOPNOTSUPP);
  EXPECT_EQ(device_->command(std::string_view("done\0 1", 7)), EINVAL);
  EXPECT_EQ(read_all(image_), Outcome::kGood);
}

}  // namespace
}  // namespace ondemand::behaviour
