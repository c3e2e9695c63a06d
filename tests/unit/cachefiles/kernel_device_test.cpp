// SPDX-License-Identifier: Apache-2.0
//
// What can be tried without the kernel's device: the system calls on ordinary files.  The device
// itself is tried in a virtual machine (tests/vm).
#include "cachefiles/kernel_device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"

namespace {
thread_local int writes_without_memory = 0;
}

// In place of the C library's: the kernel has no memory for the next so many.
extern "C" ssize_t write(int fd, const void* data, std::size_t len) {
  if (writes_without_memory > 0) {
    --writes_without_memory;
    errno = ENOMEM;
    return -1;
  }
  return ::syscall(SYS_write, fd, data, len);
}

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

TEST(KernelDevice, AnAnswerIsWrittenAgainWhereTheKernelHasNoMemoryForIt) {
  test::TemporaryDirectory directory;
  const std::filesystem::path path = directory.path() / "node";
  util::open_file(path, O_RDWR | O_CREAT, 0600);
  KernelDevice device(path);
  writes_without_memory = 3;
  EXPECT_EQ(device.command("done 7"), 0);
  EXPECT_EQ(writes_without_memory, 0);
  EXPECT_EQ(util::read_text_file(path, 100), "done 7");
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
