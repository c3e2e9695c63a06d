// SPDX-License-Identifier: Apache-2.0
#include "cache/cookie_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <limits>

#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::cache {
namespace {

class Cookie : public testing::Test {
 protected:
  void SetUp() override {
    if (::setxattr(directory_.path().c_str(), "user.test", "", 0, 0) != 0)
      GTEST_SKIP() << "the temporary directory's file system has no user attributes";
    root_ = directory_.path() / "root";
  }
  CookieFile cookie(std::uint64_t size) { return {"erofs,img0", "img0", size}; }
  util::ErrorCode refusal(const CookieFile& what) {
    try {
      ensure_cookie_file(root_, what);
    } catch (const util::Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "was not refused";
    return util::ErrorCode::kIo;
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path root_;
};

TEST_F(Cookie, IsPutWhereTheKernelLooksForIt) {
  EXPECT_EQ(ensure_cookie_file(root_, cookie(8192)), EnsureResult::kCreated);
  // Seen on a kernel (doc/KERNEL.md 3.2).
  EXPECT_EQ(cookie_path(root_, cookie(8192)), root_ / "cache/Ierofs,img0/@98/Dimg0");
  const BackingState state = inspect_backing_file(cookie_path(root_, cookie(8192)));
  EXPECT_TRUE(state.has_xattr);
  EXPECT_EQ(state.size, 8192u);
  EXPECT_EQ(state.present, 0u);
  EXPECT_TRUE(has_volume_xattr(root_ / "cache", "erofs,img0"));
  EXPECT_FALSE(has_volume_xattr(root_ / "cache", "erofs,img1"));
  EXPECT_TRUE(std::filesystem::is_directory(root_ / "graveyard"));
}

TEST_F(Cookie, OddSizeIsStatedExactlyAndTheFileIsRoundedUp) {
  const CookieFile odd = cookie(10'000);
  ensure_cookie_file(root_, odd);
  const auto path = cookie_path(root_, odd);
  EXPECT_EQ(std::filesystem::file_size(path), 12'288u);
  EXPECT_TRUE(has_object_xattr(util::open_file(path, O_RDONLY).get(), 10'000, "file"));
  EXPECT_EQ(ensure_cookie_file(root_, odd), EnsureResult::kKept);
  // A file that was never looked up may have the exact size as well.
  std::filesystem::resize_file(path, 10'000);
  EXPECT_EQ(ensure_cookie_file(root_, odd), EnsureResult::kKept);
  std::filesystem::resize_file(path, 9'999);
  EXPECT_EQ(ensure_cookie_file(root_, odd), EnsureResult::kRepaired);
  EXPECT_EQ(std::filesystem::file_size(path), 12'288u);
}

TEST_F(Cookie, LayoutOfTheProposalHasABareVolumeAndNoValue) {
  const CookieFile old{"erofs", "test.img", 4096, VolumeXattr::kEmpty};
  ensure_cookie_file(root_, old);
  EXPECT_EQ(cookie_path(root_, old), root_ / "cache/Ierofs/@9c/Dtest.img");
  EXPECT_TRUE(has_volume_xattr(root_ / "cache", "erofs", VolumeXattr::kEmpty));
  EXPECT_FALSE(has_volume_xattr(root_ / "cache", "erofs", VolumeXattr::kBe32Zero));
}

TEST_F(Cookie, KeysThatTheKernelCannotTakeNeverReachTheDisk) {
  CookieFile bad = cookie(4096);
  bad.cookie_key.assign(253, 'k');
  EXPECT_EQ(refusal(bad), util::ErrorCode::kTooLarge);
  bad.cookie_key.assign(190, '\xe9');  // 258 characters in the E form
  EXPECT_EQ(refusal(bad), util::ErrorCode::kTooLarge);
  bad = cookie(4096);
  bad.volume_key.assign(255, 'v');
  EXPECT_EQ(refusal(bad), util::ErrorCode::kTooLarge);
  bad.volume_key = "erofs,a/b";
  EXPECT_EQ(refusal(bad), util::ErrorCode::kUsage);
  EXPECT_FALSE(std::filesystem::exists(root_));
}

TEST_F(Cookie, LongestKeysAreTaken) {
  CookieFile longest = cookie(4096);
  longest.volume_key.assign(254, 'v');
  longest.cookie_key.assign(252, 'k');
  EXPECT_EQ(ensure_cookie_file(root_, longest), EnsureResult::kCreated);
  longest.cookie_key.assign(189, '\xe9');
  EXPECT_EQ(ensure_cookie_file(root_, longest), EnsureResult::kCreated);
}

TEST_F(Cookie, SizesThatNoObjectCanHaveAreRefused) {
  EXPECT_EQ(refusal(cookie(0)), util::ErrorCode::kUsage);
  EXPECT_EQ(refusal(cookie(std::numeric_limits<std::uint64_t>::max())), util::ErrorCode::kTooLarge);
}

TEST_F(Cookie, UnwrittenExtentsBecomeHolesAndDataStays) {
  const CookieFile file = cookie(1 << 20);
  ensure_cookie_file(root_, file);
  const auto path = cookie_path(root_, file);
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  {
    const util::Fd fd = util::open_file(path, O_RDWR);
    util::pwrite_full(fd.get(), util::Buffer(65536, 7), 65536, "file");
    util::fsync_fd(fd.get(), "file");
    if (::fallocate(fd.get(), 0, 0, 1 << 20) != 0) GTEST_SKIP() << "no fallocate here";
  }
  ASSERT_GT(inspect_backing_file(path).unwritten, 0u);
  EXPECT_EQ(ensure_cookie_file(root_, file), EnsureResult::kRepaired);
  const BackingState state = inspect_backing_file(path);
  EXPECT_EQ(state.unwritten, 0u);
  EXPECT_EQ(state.present, 65536u);
  struct stat after {};
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(ensure_cookie_file(root_, file), EnsureResult::kKept);
}

}  // namespace
}  // namespace ondemand::cache
