// SPDX-License-Identifier: Apache-2.0
//
// What can be tried without the kernel's device: the system calls on ordinary files.  The device
// itself is tried in a virtual machine (tests/vm).
#include "cachefiles/kernel_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::cachefiles {
namespace {

TEST(KernelDevice, ThatDoesNotExistIsToldWithAHint) {
  try {
    KernelDevice("/nonexistent/cachefiles");
    FAIL();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kNotFound);
    EXPECT_NE(error.message().find("module"), std::string::npos);
  }
}

TEST(KernelDevice, ReturnsErrorsAsNumbers) {
  test::TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "node";
  util::open_file(path, O_RDWR | O_CREAT, 0600);
  KernelDevice device(path);
  util::Buffer buffer(16);
  EXPECT_EQ(device.read(buffer).bytes, 0U);
  EXPECT_EQ(device.command("bind"), 0);
  EXPECT_EQ(device.complete_read(device.poll_fd(), 1), ENOTTY);
  EXPECT_EQ(device.write_object(-1, 0, buffer), EBADF);
  EXPECT_EQ(device.seek_object(-1, 0, SEEK_DATA), -EBADF);
  EXPECT_EQ(device.close_object(-1), EBADF);
}

TEST(KernelDevice, WritesSeeksAndClosesObjects) {
  test::TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "object";
  util::Fd file = util::open_file(path, O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(::ftruncate(file.get(), 1 << 20), 0);
  KernelDevice device("/dev/null");
  EXPECT_EQ(device.write_object(file.get(), 65536, util::Buffer(4096, 1)), 0);
  EXPECT_EQ(device.seek_object(file.get(), 0, SEEK_DATA), 65536);
  EXPECT_EQ(device.seek_object(file.get(), 65536, SEEK_HOLE), 65536 + 4096);
  EXPECT_EQ(device.seek_object(file.get(), 65536 + 4096, SEEK_DATA), -ENXIO);
  EXPECT_EQ(device.close_object(file.release()), 0);
}

}  // namespace
}  // namespace ondemand::cachefiles
