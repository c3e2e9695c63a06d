// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_mark.h"

#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <array>

#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::cache {
namespace {

class Mark : public testing::Test {
 protected:
  void SetUp() override {
    if (::setxattr(directory_.path().c_str(), "user.test", "", 0, 0) != 0)
      GTEST_SKIP() << "the temporary directory's file system has no user attributes";
  }
  const std::filesystem::path& cache() { return directory_.path(); }
  void add_volume() { std::filesystem::create_directory(cache() / "Ierofs,x"); }
  void set(const char* value) {
    ASSERT_EQ(
        ::setxattr(cache().c_str(), kModeXattr, value, std::char_traits<char>::length(value), 0),
        0);
  }
  util::ErrorCode refusal(CacheUse use) {
    try {
      ensure_mark(cache(), use);
    } catch (const util::Error& error) {
      message_ = error.message();
      return error.code();
    }
    ADD_FAILURE() << "was not refused";
    return util::ErrorCode::kIo;
  }

  test::TemporaryDirectory directory_;
  std::string message_;
};

TEST_F(Mark, OfADemandCacheIsTheSixBytesThatTheKernelCompares) {
  ensure_mark(cache(), CacheUse::kCachefilesDemand);
  std::array<char, 16> value{};
  EXPECT_EQ(::getxattr(cache().c_str(), "user.CacheFiles.mode", value.data(), value.size()), 6);
  EXPECT_STREQ(value.data(), "demand");
  EXPECT_EQ(read_mark(cache()), CacheMark::kDemand);
}

TEST_F(Mark, NewCacheGetsItUnlessItIsForSomethingElse) {
  ensure_mark(cache(), CacheUse::kCachefiles);
  EXPECT_EQ(read_mark(cache()), CacheMark::kNone);
  ensure_mark(cache(), CacheUse::kFanotify);
  EXPECT_EQ(read_mark(cache()), CacheMark::kNone);
  ensure_mark(cache(), CacheUse::kAuto);
  EXPECT_EQ(read_mark(cache()), CacheMark::kDemand);
}

TEST_F(Mark, WhetherACacheWouldGetItIsToldWithoutGivingItToIt) {
  EXPECT_TRUE(would_mark(cache() / "not-made", CacheUse::kAuto));
  EXPECT_TRUE(would_mark(cache(), CacheUse::kAuto));
  EXPECT_FALSE(would_mark(cache(), CacheUse::kCachefiles));
  EXPECT_FALSE(would_mark(cache(), CacheUse::kFanotify));
  add_volume();
  EXPECT_FALSE(would_mark(cache(), CacheUse::kAuto));
  EXPECT_TRUE(would_mark(cache(), CacheUse::kCachefilesDemand));
  EXPECT_EQ(read_mark(cache()), CacheMark::kNone);
  ensure_mark(cache(), CacheUse::kCachefilesDemand);
  EXPECT_FALSE(would_mark(cache(), CacheUse::kCachefilesDemand));
}

TEST_F(Mark, OldCacheIsMarkedOnlyWhenThatIsAskedFor) {
  add_volume();
  ensure_mark(cache(), CacheUse::kAuto);
  EXPECT_EQ(read_mark(cache()), CacheMark::kNone);
  ensure_mark(cache(), CacheUse::kCachefilesDemand);
  EXPECT_EQ(read_mark(cache()), CacheMark::kDemand);
}

TEST_F(Mark, MarkedCacheServesFanotifyTooAndIsRefusedToMainline) {
  ensure_mark(cache(), CacheUse::kCachefilesDemand);
  add_volume();
  ensure_mark(cache(), CacheUse::kFanotify);
  ensure_mark(cache(), CacheUse::kAuto);
  EXPECT_EQ(refusal(CacheUse::kCachefiles), util::ErrorCode::kUnsupported);
  EXPECT_NE(message_.find("setfattr -x user.CacheFiles.mode"), std::string::npos) << message_;
  EXPECT_EQ(read_mark(cache()), CacheMark::kDemand);
}

TEST_F(Mark, ForeignValueIsNeitherTakenNorReplaced) {
  for (const char* value : {"Demand", "demand ", "deman", "", "a value longer than the kernel's"}) {
    set(value);
    EXPECT_EQ(read_mark(cache()), CacheMark::kForeign) << value;
    EXPECT_EQ(refusal(CacheUse::kCachefilesDemand), util::ErrorCode::kUnsupported);
    EXPECT_EQ(refusal(CacheUse::kCachefiles), util::ErrorCode::kUnsupported);
    ensure_mark(cache(), CacheUse::kAuto);
    EXPECT_EQ(read_mark(cache()), CacheMark::kForeign);
  }
}

TEST_F(Mark, OfWhatDoesNotExistIsNone) {
  EXPECT_EQ(read_mark(cache() / "nothing"), CacheMark::kNone);
}

TEST(CacheUse, NamesAreThoseOfTheTransports) {
  EXPECT_EQ(parse_cache_use("auto"), CacheUse::kAuto);
  EXPECT_EQ(parse_cache_use("fanotify"), CacheUse::kFanotify);
  EXPECT_EQ(parse_cache_use("cachefiles-demand"), CacheUse::kCachefilesDemand);
  EXPECT_EQ(parse_cache_use("cachefiles"), CacheUse::kCachefiles);
  EXPECT_EQ(parse_cache_use("demand"), std::nullopt);
}

}  // namespace
}  // namespace ondemand::cache
