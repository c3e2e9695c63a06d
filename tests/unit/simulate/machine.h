// SPDX-License-Identifier: Apache-2.0
//
// A simulated kernel with a cache directory, and a daemon's hands on its device.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/xattr.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "cache/cache_mark.h"
#include "cache/cookie_file.h"
#include "cachefiles/abi.h"
#include "support/simulate/kernel.h"
#include "support/temporary_directory.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::test {

inline constexpr std::uint64_t kBootSize = 12288;
inline constexpr std::uint64_t kBlobSize = 1 << 20;
inline const std::string kVolume = "erofs,boot";

// Never zero, different everywhere.
inline util::Buffer content(std::uint64_t offset, std::uint64_t len) {
  util::Buffer bytes(len);
  for (std::uint64_t i = 0; i < len; ++i)
    bytes[i] = static_cast<std::uint8_t>(((offset + i) * 2654435761U >> 13) | 1U);
  return bytes;
}

class Machine : public testing::Test {
 protected:
  void SetUp() override {
    if (::setxattr(directory_.path().c_str(), "user.test", "", 0, 0) != 0)
      GTEST_SKIP() << "the temporary directory's file system has no user attributes";
    root_ = directory_.path() / "root";
  }
  void TearDown() override {
    device_.reset();
    mount_.reset();
  }

  void start(const simulate::Traits& traits) {
    kernel_ = std::make_unique<simulate::SimulatedKernel>(traits);
  }
  int open(simulate::Node node) {
    auto opened = kernel_->open(node);
    device_ = std::move(opened.device);
    return opened.error;
  }
  int bind(const char* command = "bind") {
    const int error = device_->command("dir " + root_.native());
    return error != 0 ? error : device_->command(command);
  }
  void prepare(const std::string& key, std::uint64_t size) {
    cache::ensure_cookie_file(root_, {kVolume, key, size});
  }
  std::filesystem::path file(const std::string& key) {
    return cache::cookie_path(root_, {kVolume, key, 1});
  }
  void fill(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t len) {
    const util::Fd fd = util::open_file(path, O_WRONLY);
    util::pwrite_full(fd.get(), content(offset, len), offset, path.native());
  }

  bool readable(int timeout_ms = 10'000) {
    pollfd wait{device_->poll_fd(), POLLIN, 0};
    return ::poll(&wait, 1, timeout_ms) == 1 && (wait.revents & POLLIN) != 0;
  }
  // The next message's bytes; empty when there is none in time.
  util::Buffer next() {
    if (!readable()) return {};
    util::Buffer buffer(cachefiles::abi::kMaxMessageBytes);
    const auto result = device_->read(buffer);
    EXPECT_EQ(result.error, 0);
    buffer.resize(result.bytes);
    return buffer;
  }
  int read_now(std::size_t size = cachefiles::abi::kMaxMessageBytes) {
    util::Buffer buffer(size);
    const auto result = device_->read(buffer);
    return result.error != 0 ? -result.error : static_cast<int>(result.bytes);
  }
  using Reading = std::future<simulate::ReadResult>;
  Reading read_behind(const std::string& key, std::uint64_t offset, std::uint64_t len,
                      const simulate::Reader* reader = nullptr) {
    return std::async(std::launch::async, [this, key, offset, len, reader] {
      return mount_->read(key, offset, len, reader);
    });
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path root_;
  std::unique_ptr<simulate::SimulatedKernel> kernel_;
  std::unique_ptr<cachefiles::Device> device_;
  std::unique_ptr<simulate::SimulatedMount> mount_;
};

}  // namespace ondemand::test
