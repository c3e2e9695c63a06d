// SPDX-License-Identifier: Apache-2.0
#include "cache/backing_path.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "util/error.h"

namespace ondemand::cache {
namespace {

using namespace std::string_literals;

struct Vector {
  std::string volume;
  std::string cookie;
  std::uint32_t volume_hash;
  std::uint32_t cookie_hash;
  std::string path;  // below I<volume>/
};

class KernelVector : public testing::TestWithParam<Vector> {};

// Source: doc/KERNEL.md 3.2; the paths are where kernels 6.1 and 6.12 look.
TEST_P(KernelVector, HashesAndPathAreTheKernels) {
  const Vector& v = GetParam();
  EXPECT_EQ(hash_volume(v.volume), v.volume_hash);
  EXPECT_EQ(hash_cookie(v.volume_hash, v.cookie), v.cookie_hash);
  EXPECT_EQ(backing_path(v.volume, v.cookie), "I" + v.volume + "/" + v.path);
}

INSTANTIATE_TEST_SUITE_P(
    BackingPath, KernelVector,
    testing::Values(Vector{"erofs", "test.img", 0x864ada3e, 0x0cb5e09c, "@9c/Dtest.img"},
                    Vector{"erofs", "blob1.img", 0x864ada3e, 0x4fec78b5, "@b5/Dblob1.img"},
                    Vector{"erofs,test.img", "test.img", 0xd13a83f4, 0x69ef6ef7, "@f7/Dtest.img"},
                    Vector{"erofs,test.img", "blob1.img", 0xd13a83f4, 0x457569cb, "@cb/Dblob1.img"},
                    Vector{"erofs,dom0", "test.img", 0x4d680e2f, 0x1853d014, "@14/Dtest.img"},
                    Vector{"erofs,dom0", "blob1.img", 0x4d680e2f, 0x69e77149, "@49/Dblob1.img"},
                    Vector{"erofs,img0", "img0", 0xaf725ae4, 0x7d386f98, "@98/Dimg0"}));

TEST(BackingPath, AgreesWithPathsThatAKernelMade) {
  EXPECT_EQ(backing_path("erofs,boot.img", "boot.img"), "Ierofs,boot.img/@09/Dboot.img");
  EXPECT_EQ(backing_path("erofs,boot.img", "blob1.img"), "Ierofs,boot.img/@85/Dblob1.img");
}

TEST(BackingPath, KeyWithASpaceBecomesBase64) {
  EXPECT_EQ(backing_path("erofs,a b", "a b"), "Ierofs,a b/@bf/E0x1yo");
}

TEST(BackingPath, BinaryKeyBecomesBigEndianWords) {
  EXPECT_EQ(backing_path("erofs,x", "\0\0\0\1"s), "Ierofs,x/@fd/S1");
}

TEST(BackingPath, BinaryKeyBecomesLittleEndianWordsWhereThoseAreShorter) {
  EXPECT_EQ(backing_path("erofs,x", "\1\0\0\0\0\0\0\0"s), "Ierofs,x/@8d/T1,");
}

TEST(CookKey, PrintableKeysStayAsTheyAre) {
  EXPECT_EQ(cook_key("!-.0~\x7f"), "D!-.0~\x7f");
  const std::string hex(64, 'a');
  EXPECT_EQ(cook_key(hex), "D" + hex);
}

TEST(CookKey, SlashAndHighBytesAreNeverInAName) {
  EXPECT_EQ(cook_key("a/b").find('/'), std::string::npos);
  EXPECT_EQ(cook_key("a/b")[0], 'E');
  for (const char c : cook_key("\xff\xfe\x80 /\n"))
    EXPECT_TRUE(c > 32 && c < 127 && c != '/');
}

TEST(CookKey, PaddingOfBase64IsInTheName) {
  EXPECT_EQ(cook_key("a b").substr(0, 2), "E0");
  EXPECT_EQ(cook_key("a bc d e").substr(0, 2), "E1");
  EXPECT_EQ(cook_key("a bc d ").substr(0, 2), "E2");
}

TEST(CookKey, LongestKeyThatTheKernelSurvivesIsTaken) {
  EXPECT_EQ(cook_key(std::string(252, 'k')).size(), 253u);
}

void expect_code(util::ErrorCode code, const std::function<void()>& body) {
  try {
    body();
    ADD_FAILURE() << "nothing thrown";
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
  }
}

TEST(CookKey, KeyThatWouldStopTheKernelIsTooLarge) {
  expect_code(util::ErrorCode::kTooLarge, [] { cook_key(std::string(253, 'k')); });
  expect_code(util::ErrorCode::kTooLarge, [] { hash_cookie(0, std::string(253, 'k')); });
}

TEST(CookKey, NameThatFitsNoDirectoryEntryIsTooLarge) {
  EXPECT_EQ(cook_key(std::string(189, '\x81')).size(), 254u);
  expect_code(util::ErrorCode::kTooLarge, [] { cook_key(std::string(190, '\x81')); });
}

TEST(VolumeDirectory, LimitsAreThoseOfADirectoryEntry) {
  EXPECT_EQ(volume_directory_name(std::string(254, 'v')).size(), 255u);
  expect_code(util::ErrorCode::kTooLarge, [] { volume_directory_name(std::string(255, 'v')); });
  expect_code(util::ErrorCode::kUsage, [] { volume_directory_name(""); });
  expect_code(util::ErrorCode::kUsage, [] { volume_directory_name("erofs,a/b"); });
  expect_code(util::ErrorCode::kUsage, [] { volume_directory_name("erofs,a\0b"s); });
}

TEST(FanDirectory, IsTwoLowerCaseDigits) {
  EXPECT_EQ(fan_directory_name(0x0f), "@0f");
  EXPECT_EQ(fan_directory_name(0xab), "@ab");
}

}  // namespace
}  // namespace ondemand::cache
