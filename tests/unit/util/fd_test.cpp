// SPDX-License-Identifier: Apache-2.0
#include "util/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::util {
namespace {

using test::TemporaryDirectory;

TEST(Fd, OwnsAndGivesAway) {
  Fd a(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = a.get();
  Fd b(std::move(a));
  EXPECT_FALSE(a.is_open());  // NOLINT: the moved-from state is what is tested
  EXPECT_EQ(b.get(), number);
  b.reset();
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

TEST(FileIo, ReadsAndWritesWholeRanges) {
  const TemporaryDirectory dir;
  const Fd fd = open_file(dir.path() / "f", O_RDWR | O_CREAT);
  write_full(fd.get(), as_bytes("0123456789"), "f");
  pwrite_full(fd.get(), as_bytes("ab"), 3, "f");
  EXPECT_EQ(file_size(fd.get(), "f"), 10U);
  Buffer out(4);
  pread_full(fd.get(), out, 2, "f");
  EXPECT_EQ(as_text(out), "2ab5");
  EXPECT_EQ(pread_some(fd.get(), out, 8, "f"), 2U);
  try {
    pread_full(fd.get(), out, 8, "f");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "f: read: file ends at 0xa, 2 bytes too early");
  }
}

TEST(FileIo, WholeFilesHaveALimit) {
  const TemporaryDirectory dir;
  const auto path = dir.path() / "f";
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  write_full(fd.get(), as_bytes("12345"), "f");
  EXPECT_EQ(read_text_file(path, 5), "12345");
  EXPECT_THROW(read_file(path, 4), Error);
  EXPECT_THROW(read_file(dir.path() / "absent", 4), Error);
}

TEST(FileIo, DirectoriesThatCannotBeSyncedAreNoFailure) {
  const Fd proc = open_file("/proc", O_RDONLY | O_DIRECTORY);
  EXPECT_THROW(fsync_fd(proc.get(), "proc"), Error);  // no file system of a disk, so it cannot
  EXPECT_NO_THROW(fsync_directory("/proc"));
  EXPECT_THROW(fsync_directory("/proc/version"), Error);
  EXPECT_THROW(fsync_directory("/proc/no-such"), Error);
}

TEST(FileIo, AFullDiskSaysSo) {
  const Fd full = open_file("/dev/full", O_WRONLY);
  try {
    write_full(full.get(), as_bytes("x"), "/dev/full");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.errno_value(), ENOSPC);
    EXPECT_EQ(error.message(), "/dev/full: write: No space left on device");
  }
}

}  // namespace
}  // namespace ondemand::util
