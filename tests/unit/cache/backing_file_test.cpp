// SPDX-License-Identifier: Apache-2.0
#include "cache/backing_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "cache/extents.h"
#include "unit/cache/image_source.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::cache {
namespace {

using util::ByteRange;
using Ranges = std::vector<ByteRange>;

class BackingFile : public testing::Test {
 protected:
  void SetUp() override {
    if (::setxattr(directory_.path().c_str(), "user.test", "", 0, 0) != 0)
      GTEST_SKIP() << "the temporary directory's file system has no user attributes";
    path_ = directory_.path() / "file";
  }
  void write_at(std::uint64_t offset, std::size_t len) {
    const util::Fd fd = util::open_file(path_, O_WRONLY);
    util::pwrite_full(fd.get(), test::pattern(len, 1), offset, "file");
    util::fsync_fd(fd.get(), "file");
  }
  bool preallocate(std::uint64_t offset, std::uint64_t len) {
    const util::Fd fd = util::open_file(path_, O_WRONLY);
    return ::fallocate(fd.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(len)) == 0;
  }
  EnsureResult ensure(std::uint64_t size) {
    return ensure_backing_file(directory_.path(), path_, size);
  }
  ino_t inode() {
    struct stat info {};
    EXPECT_EQ(::stat(path_.c_str(), &info), 0);
    return info.st_ino;
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_;
};

TEST(ObjectXattr, IsTheEighteenBytesOfAKernelMadeFile) {
  // Source: doc/KERNEL.md 3.4, a file of 1,810,432 bytes.
  EXPECT_EQ(util::to_hex(encode_object_xattr(1'810'432)), "00000000001ba00000000000000000000100");
}

TEST_F(BackingFile, NewOneIsSparsePrivateAndCarriesTheAttribute) {
  EXPECT_EQ(ensure(1 << 20), EnsureResult::kCreated);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 1 << 20);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_LE(info.st_blocks, 8);  // at most a block of attributes
  const BackingState state = inspect_backing_file(path_);
  EXPECT_TRUE(state.has_xattr);
  EXPECT_EQ(state.present, 0u);
  EXPECT_FALSE(state.is_complete());
}

TEST_F(BackingFile, SoundOneIsKeptWithItsData) {
  ensure(1 << 20);
  write_at(65536, 4096);
  const ino_t before = inode();
  EXPECT_EQ(ensure(1 << 20), EnsureResult::kKept);
  EXPECT_EQ(inode(), before);
  EXPECT_EQ(inspect_backing_file(path_).present, 4096u);
}

TEST_F(BackingFile, RangesFollowHolesAndData) {
  ensure(1 << 20);
  write_at(65536, 8192);
  const util::Fd fd = util::open_file(path_, O_RDONLY);
  EXPECT_EQ(present_ranges(fd.get(), {0, 1 << 20}, "f"), (Ranges{{65536, 8192}}));
  EXPECT_EQ(missing_ranges(fd.get(), {0, 1 << 20}, "f"),
            (Ranges{{0, 65536}, {73728, (1 << 20) - 73728}}));
  EXPECT_EQ(present_ranges(fd.get(), {69632, 100}, "f"), (Ranges{{69632, 100}}));
  EXPECT_EQ(missing_ranges(fd.get(), {69632, 100}, "f"), Ranges{});
  EXPECT_EQ(missing_ranges(fd.get(), {61440, 8192}, "f"), (Ranges{{61440, 4096}}));
  EXPECT_EQ(present_bytes(fd.get(), "f"), 8192u);
}

TEST_F(BackingFile, NothingIsPresentOrMissingBehindTheEnd) {
  ensure(8192);
  const util::Fd fd = util::open_file(path_, O_RDONLY);
  EXPECT_EQ(missing_ranges(fd.get(), {4096, UINT64_MAX - 4096}, "f"), (Ranges{{4096, 4096}}));
  EXPECT_EQ(missing_ranges(fd.get(), {1 << 30, 10}, "f"), Ranges{});
  EXPECT_EQ(present_ranges(fd.get(), {1 << 30, 10}, "f"), Ranges{});
}

TEST_F(BackingFile, PreallocatedBytesAreNotData) {
  ensure(1 << 20);
  if (!preallocate(0, 65536)) GTEST_SKIP() << "no fallocate here";
  const util::Fd fd = util::open_file(path_, O_RDONLY);
  EXPECT_EQ(unwritten_ranges(fd.get(), "f"), (Ranges{{0, 65536}}));
  EXPECT_EQ(inspect_backing_file(path_).unwritten, 65536u);
}

TEST_F(BackingFile, PreallocatedBytesBecomeHolesAgainWhenNobodyUsesIt) {
  ensure(1 << 20);
  write_at(131072, 4096);
  if (!preallocate(0, 65536)) GTEST_SKIP() << "no fallocate here";
  const ino_t before = inode();
  EXPECT_EQ(ensure(1 << 20), EnsureResult::kRepaired);
  EXPECT_EQ(inode(), before);
  EXPECT_EQ(inspect_backing_file(path_).unwritten, 0u);
  EXPECT_EQ(inspect_backing_file(path_).present, 4096u);
}

TEST_F(BackingFile, PreallocatedOneThatIsOpenElsewhereIsRefused) {
  ensure(1 << 20);
  if (!preallocate(0, 65536)) GTEST_SKIP() << "no fallocate here";
  const util::Fd user = util::open_file(path_, O_RDONLY);
  EXPECT_THROW(ensure(1 << 20), util::Error);
  EXPECT_EQ(inspect_backing_file(path_).unwritten, 65536u);
}

TEST_F(BackingFile, PreallocatedBytesThatSomebodyIsJustWritingAreNoReasonAgainstIt) {
  ensure(1 << 20);
  if (!preallocate(0, 65536)) GTEST_SKIP() << "no fallocate here";
  const util::Fd user = util::open_file(path_, O_WRONLY);
  std::thread writer([&] { util::pwrite_full(user.get(), util::Buffer(65536, 7), 0, "f"); });
  EXPECT_EQ(ensure(1 << 20), EnsureResult::kKept);
  writer.join();
  EXPECT_EQ(inspect_backing_file(path_).present, 65536u);
}

TEST_F(BackingFile, UnsoundOneThatIsOpenElsewhereIsRefused) {
  ensure(1 << 20);
  write_at(0, 4096);
  const ino_t before = inode();
  const util::Fd user = util::open_file(path_, O_RDONLY);
  try {
    ensure(2 << 20);
    ADD_FAILURE() << "replaced a file in use";
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kCorrupt);
    EXPECT_NE(error.message().find("in use"), std::string::npos);
  }
  EXPECT_EQ(inode(), before);
}

// The other's open breaks the lease by which it is looked.
TEST_F(BackingFile, LookWhetherItIsOpenElsewhereSurvivesAnOpenMeanwhile) {
  ensure(1 << 20);
  const pid_t looker = ::fork();
  ASSERT_GE(looker, 0);
  if (looker == 0) {
    std::signal(SIGIO, SIG_DFL);
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 50'000; ++i)
      is_open_elsewhere(fd);
    ::_exit(0);
  }
  int status = -1;
  pid_t ended = 0;
  while ((ended = ::waitpid(looker, &status, WNOHANG)) == 0)
    ::close(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(ended, looker);
  EXPECT_EQ(status, 0);
}

TEST_F(BackingFile, WrongSizeWithoutDataIsMendedInPlace) {
  ensure(1 << 20);
  const ino_t before = inode();
  EXPECT_EQ(ensure(2 << 20), EnsureResult::kRepaired);
  EXPECT_EQ(inode(), before);
  const BackingState state = inspect_backing_file(path_);
  EXPECT_EQ(state.size, 2u << 20);
  EXPECT_TRUE(state.has_xattr);
}

TEST_F(BackingFile, MissingAttributeIsMendedInPlaceAndDataStays) {
  ensure(1 << 20);
  write_at(0, 4096);
  ASSERT_EQ(::removexattr(path_.c_str(), kCacheXattr), 0);
  const ino_t before = inode();
  EXPECT_EQ(ensure(1 << 20), EnsureResult::kRepaired);
  EXPECT_EQ(inode(), before);
  const BackingState state = inspect_backing_file(path_);
  EXPECT_TRUE(state.has_xattr);
  EXPECT_EQ(state.present, 4096u);
}

TEST_F(BackingFile, AttributeOfAnotherLengthIsNotTaken) {
  ensure(1 << 20);
  std::array<char, 19> longer{};
  ASSERT_EQ(::setxattr(path_.c_str(), kCacheXattr, longer.data(), longer.size(), 0), 0);
  EXPECT_FALSE(inspect_backing_file(path_).has_xattr);
}

TEST_F(BackingFile, SymbolicLinksAreNeverFollowed) {
  std::filesystem::create_symlink("/etc/passwd", path_);
  EXPECT_FALSE(inspect_backing_file(path_).is_regular);
  EXPECT_THROW(ensure(4096), util::Error);
  EXPECT_TRUE(std::filesystem::is_symlink(path_));
}

TEST_F(BackingFile, AbsentOneIsToldAsAbsent) {
  EXPECT_FALSE(inspect_backing_file(path_).exists);
}

}  // namespace
}  // namespace ondemand::cache
