// SPDX-License-Identifier: Apache-2.0
//
// What the devices answer to commands, and which caches they bind.
#include <cerrno>

#include "unit/simulate/machine.h"

namespace ondemand::simulate {
namespace {

using test::kBootSize;

class Commands : public test::Machine {
 protected:
  void SetUp() override {
    test::Machine::SetUp();
    start(Traits{});
  }
  void make_root(bool marked) {
    prepare("boot", kBootSize);
    if (marked) cache::ensure_mark(root_ / "cache", cache::CacheUse::kCachefilesDemand);
  }
  void mark_as(const char* value, std::size_t len) {
    ASSERT_EQ(::setxattr((root_ / "cache").c_str(), cache::kModeXattr, value, len, 0), 0);
  }
};

TEST_F(Commands, OfTheDemandDeviceHaveTheErrorsOfTheKernel) {
  make_root(true);
  ASSERT_EQ(open(Node::kDemand), 0);
  EXPECT_EQ(device_->command("bind"), EINVAL);  // no dir yet
  EXPECT_EQ(device_->command("dir " + root_.native()), 0);
  EXPECT_EQ(device_->command("bind ondemand"), EINVAL);
  EXPECT_EQ(device_->command("bind x"), EINVAL);
  EXPECT_EQ(device_->command("bind"), 0);
  const std::pair<const char*, int> bad[] = {
      {"hello", EOPNOTSUPP},   {"copen 1,4096", EOPNOTSUPP},
      {"cread 1", EOPNOTSUPP}, {"", EOPNOTSUPP},
      {" bind", EOPNOTSUPP},   {"\n", EINVAL},
      {"done", EINVAL},        {"done x", EINVAL},
      {"done -1", EINVAL},     {"done 1x", EINVAL},
      {"done 4711", EINVAL},   {"done 99999999999999999999", EINVAL},
      {"fail", EINVAL},        {"fail 1", EINVAL},
      {"fail 1,", EINVAL},     {"fail ,5", EINVAL},
      {"fail 1,0", EINVAL},    {"fail 1,4096", EINVAL},
      {"fail 1,-5", EINVAL},   {"fail 1,5,5", EINVAL},
      {"fail 4711,5", EINVAL}, {"restore now", EINVAL},
      {"compat now", EINVAL},  {"compat", EBUSY},
      {"bind", EBUSY},         {"dir /tmp", EEXIST},
      {"inuse a/b", EINVAL},   {"cull a/b", EINVAL},
      {"tag", EINVAL},         {"brun 101%", EINVAL},
      {"brun 5", EINVAL},      {"bcull 8%", EINVAL},
      {"fstop 5%", EINVAL},
  };
  for (const auto& [text, error] : bad)
    EXPECT_EQ(device_->command(text), error) << text;
  EXPECT_EQ(device_->command(std::string_view("done\0 1", 7)), EINVAL);
  EXPECT_EQ(device_->command(std::string(5000, 'a')), EOPNOTSUPP);
  EXPECT_EQ(device_->command("restore"), 0);
  EXPECT_EQ(device_->command("brun 10%\n"), 0);
  EXPECT_EQ(device_->command("bcull 8%"), 0);
  EXPECT_EQ(read_now(), 0);
}

TEST_F(Commands, OfMainlinesDevice) {
  make_root(false);
  ASSERT_EQ(open(Node::kCachefiles), 0);
  EXPECT_EQ(device_->command("copen 1,2"), EOPNOTSUPP);  // not in that mode yet
  EXPECT_EQ(device_->command("done 1"), EOPNOTSUPP);
  EXPECT_EQ(bind("bind ondemand"), 0);
  EXPECT_EQ(device_->command("cread 1"), EOPNOTSUPP);
  EXPECT_EQ(device_->command("copen"), EINVAL);
  EXPECT_EQ(device_->command("copen 1"), EINVAL);
  EXPECT_EQ(device_->command("copen 1,1"), EINVAL);
  EXPECT_EQ(device_->command("copen x,1"), EINVAL);
  EXPECT_EQ(device_->command("copen 99999999999999999999,1"), ERANGE);
  EXPECT_EQ(device_->command("restore"), 0);
}

TEST_F(Commands, OnlyOneDeviceIsOpenAtATime) {
  ASSERT_EQ(open(Node::kDemand), 0);
  EXPECT_EQ(kernel_->open(Node::kDemand).error, EBUSY);
  EXPECT_EQ(kernel_->open(Node::kCachefiles).error, EBUSY);
  auto copy = kernel_->duplicate(*device_);
  device_.reset();
  EXPECT_EQ(kernel_->open(Node::kCachefiles).error, EBUSY);
  copy.reset();
  EXPECT_EQ(open(Node::kCachefiles), 0);
}

TEST_F(Commands, NodesAreThoseOfTheKernel) {
  EXPECT_EQ(kernel_->open(Node::kCompat).error, ENOENT);
  Traits stock;
  stock.has_series = false;
  start(stock);
  EXPECT_EQ(kernel_->open(Node::kDemand).error, ENOENT);
  EXPECT_EQ(kernel_->open(Node::kCachefiles).error, 0);
}

TEST_F(Commands, DemandBindMakesNothing) {
  std::filesystem::create_directory(root_);
  ASSERT_EQ(open(Node::kDemand), 0);
  EXPECT_EQ(bind(), ENOENT);
  EXPECT_TRUE(std::filesystem::is_empty(root_));
  make_root(true);
  std::filesystem::remove(root_ / "graveyard");
  EXPECT_EQ(device_->command("bind"), ENOENT);
  EXPECT_FALSE(std::filesystem::exists(root_ / "graveyard"));
  std::filesystem::create_directory(root_ / "graveyard");
  EXPECT_EQ(device_->command("bind"), 0);
}

TEST_F(Commands, MainlineBindMakesItsDirectories) {
  std::filesystem::create_directory(root_);
  ASSERT_EQ(open(Node::kCachefiles), 0);
  EXPECT_EQ(bind("bind ondemand"), 0);
  EXPECT_TRUE(std::filesystem::is_directory(root_ / "cache"));
  EXPECT_TRUE(std::filesystem::is_directory(root_ / "graveyard"));
}

TEST_F(Commands, MarkKeepsTheModesApart) {
  make_root(true);
  ASSERT_EQ(open(Node::kCachefiles), 0);
  EXPECT_EQ(bind("bind ondemand"), EMEDIUMTYPE);
  EXPECT_EQ(device_->command("bind"), EMEDIUMTYPE);
  mark_as("something else", 14);
  EXPECT_EQ(device_->command("bind"), EMEDIUMTYPE);
  ASSERT_EQ(::removexattr((root_ / "cache").c_str(), cache::kModeXattr), 0);
  EXPECT_EQ(device_->command("bind"), 0);
  device_.reset();

  ASSERT_EQ(open(Node::kDemand), 0);
  EXPECT_EQ(bind(), EMEDIUMTYPE);
  mark_as("demand for much more", 20);
  EXPECT_EQ(device_->command("bind"), EMEDIUMTYPE);
  mark_as("demand", 6);
  EXPECT_EQ(device_->command("bind"), 0);
}

TEST_F(Commands, StockKernelDoesNotKnowTheMark) {
  Traits stock;
  stock.has_series = false;
  start(stock);
  make_root(true);
  ASSERT_EQ(open(Node::kCachefiles), 0);
  EXPECT_EQ(bind("bind ondemand"), 0);
}

TEST_F(Commands, PlaceThatCannotHoldACacheIsRefused) {
  ASSERT_EQ(open(Node::kDemand), 0);
  EXPECT_EQ(bind(), ENOENT);
  device_.reset();
  ASSERT_EQ(open(Node::kDemand), 0);
  EXPECT_EQ(device_->command("dir /dev/shm"), 0);
  EXPECT_EQ(device_->command("bind"), EOPNOTSUPP);
}

TEST_F(Commands, LittleRoomIsToldInPollAndGoesAway) {
  make_root(true);
  ASSERT_EQ(open(Node::kDemand), 0);
  ASSERT_EQ(bind(), 0);
  const auto wants_culling = [&] {
    util::Buffer message(cachefiles::abi::kMaxMessageBytes);
    EXPECT_EQ(device_->read(message).bytes, 0u);  // looks at the space
    pollfd look{device_->poll_fd(), POLLOUT, 0};
    return ::poll(&look, 1, 0) == 1;
  };
  EXPECT_FALSE(wants_culling());
  kernel_->set_free_percent(4);
  EXPECT_TRUE(wants_culling());
  kernel_->set_free_percent(6);  // not enough yet to stop
  EXPECT_TRUE(wants_culling());
  kernel_->set_free_percent(7);
  EXPECT_FALSE(wants_culling());
}

TEST_F(Commands, CacheWithADiskErrorIsDead) {
  make_root(true);
  ASSERT_EQ(open(Node::kDemand), 0);
  ASSERT_EQ(bind(), 0);
  kernel_->fail_cache();
  pollfd look{device_->poll_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&look, 1, 0), 1);
  EXPECT_NE(look.revents & POLLERR, 0);
  EXPECT_EQ(device_->command("restore"), EIO);
  EXPECT_EQ(read_now(), -EIO);
}

TEST_F(Commands, DeadCacheOfMainlineIsToldByCommandsOnly) {
  make_root(false);
  ASSERT_EQ(open(Node::kCachefiles), 0);
  ASSERT_EQ(bind("bind ondemand"), 0);
  kernel_->fail_cache();
  pollfd look{device_->poll_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&look, 1, 0), 0);
  EXPECT_EQ(read_now(), 0);
  EXPECT_EQ(device_->command("restore"), EIO);
}

}  // namespace
}  // namespace ondemand::simulate
