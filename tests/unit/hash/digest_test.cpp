// SPDX-License-Identifier: Apache-2.0
#include "hash/digest.h"

#include <gtest/gtest.h>

#include "hash/sha256.h"

namespace ondemand::hash {
namespace {

// FIPS 180-4 example "abc".
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256, MatchesPublishedVectorWhateverThePieces) {
  EXPECT_EQ(sha256(util::as_bytes("abc")).hex(), kAbc);
  Sha256 sha;
  sha.update(util::as_bytes("a"));
  sha.update({});
  sha.update(util::as_bytes("bc"));
  EXPECT_EQ(sha.finish().hex(), kAbc);
  sha.update(util::as_bytes("abc"));
  EXPECT_EQ(sha.finish().hex(), kAbc) << "the state starts anew";
}

TEST(Digest, ParsesOnlyLowerCaseSha256) {
  const std::string text = std::string("sha256:") + kAbc;
  ASSERT_TRUE(Digest::parse(text));
  EXPECT_EQ(Digest::parse(text)->to_string(), text);
  EXPECT_FALSE(Digest::parse(kAbc));
  EXPECT_FALSE(Digest::parse("sha512:" + std::string(kAbc)));
  EXPECT_FALSE(Digest::parse(text + "0"));
  EXPECT_FALSE(Digest::parse("sha256:" + std::string(64, 'A')));
}

}  // namespace
}  // namespace ondemand::hash
