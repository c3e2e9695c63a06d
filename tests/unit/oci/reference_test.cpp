// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include <gtest/gtest.h>

#include "unit/oci/expect_error.h"

namespace ondemand::oci {
namespace {

TEST(Reference, LegalNamesAreTold) {
  for (const char* name : {"v1", "latest", "docker.io/library/debian:12", "a-b_c.d+e@f", "_x"})
    EXPECT_TRUE(is_valid_ref_name(name)) << name;
  for (const char* name :
       {"", "-x", "x/", "/x", "a//b", "a b", "a\nb", "ü", "..", "sha256:abc", "sha512:abc", "x\\y"})
    EXPECT_FALSE(is_valid_ref_name(name)) << name;
  EXPECT_FALSE(is_valid_ref_name(test::digest_of("x").to_string()));
  EXPECT_FALSE(is_valid_ref_name(std::string(kMaxRefNameBytes + 1, 'a')));
  test::expect_error(util::ErrorCode::kUsage, "reference 'a b'", [] { check_ref_name("a b"); });
}

TEST(Reference, ALegalNameIsMadeOfAnyText) {
  EXPECT_EQ(make_ref_name("My image (1).tar"), "My-image--1-.tar");
  EXPECT_EQ(make_ref_name("../a//b/"), "a/b");
  EXPECT_EQ(make_ref_name("\xff/"), "");
}

TEST(Reference, TagsFollowTheDistributionSpecification) {
  EXPECT_TRUE(is_valid_tag("_v1.2-3"));
  EXPECT_TRUE(is_valid_tag(std::string(128, 'a')));
  for (const std::string& tag : {std::string(129, 'a'), std::string("a/b"), std::string("a:b"),
                                 std::string(""), std::string(".a")})
    EXPECT_FALSE(is_valid_tag(tag)) << tag;
}

TEST(PlatformText, IsReadAndWritten) {
  for (const char* text : {"linux/amd64", "linux/arm64/v8"})
    EXPECT_EQ(to_string(parse_platform(text)), text);
  for (const char* text : {"", "linux", "linux/", "/amd64", "a/b/c/d", "a/b/", "a b/c", "a//b"})
    test::expect_error(util::ErrorCode::kUsage, "os/architecture", [&] { parse_platform(text); });
  EXPECT_EQ(host_platform().os, "linux");
  EXPECT_FALSE(host_platform().architecture.empty());
}

TEST(PlatformText, MatchesByDefaultVariants) {
  const auto match = [](const char* want, const char* have) {
    return matches(parse_platform(want), parse_platform(have));
  };
  EXPECT_TRUE(match("linux/arm64", "linux/arm64/v8"));
  EXPECT_TRUE(match("linux/arm64/v8", "linux/arm64"));
  EXPECT_TRUE(match("linux/arm/v7", "linux/arm"));
  EXPECT_FALSE(match("linux/arm/v6", "linux/arm"));
  EXPECT_FALSE(match("linux/arm/v6", "linux/arm/v7"));
  EXPECT_FALSE(match("linux/amd64", "linux/arm64"));
  EXPECT_FALSE(match("linux/amd64", "windows/amd64"));
}

}  // namespace
}  // namespace ondemand::oci
