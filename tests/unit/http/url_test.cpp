// SPDX-License-Identifier: Apache-2.0
#include "http/url.h"

#include <gtest/gtest.h>

#include "util/error.h"

namespace ondemand::http {
namespace {

TEST(Url, SplitsHostPortPathAndQuery) {
  const Url url = parse_url("http://Example.ORG:5000/a/b%20c?x=1&y=/?");
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, 5000);
  EXPECT_EQ(url.path, "/a/b%20c");
  EXPECT_EQ(url.query, "x=1&y=/?");
  EXPECT_EQ(url.target(), "/a/b%20c?x=1&y=/?");
  EXPECT_EQ(url.origin(), "http://example.org:5000");
}

TEST(Url, TakesPort80AndRootPathWhereNoneIsGiven) {
  const Url url = parse_url("HTTP://h");
  EXPECT_EQ(url.port, 80);
  EXPECT_EQ(url.path, "");
  EXPECT_EQ(url.target(), "/");
  EXPECT_EQ(url.to_string(), "http://h");
}

TEST(Url, KeepsIpv6AddressesInBrackets) {
  const Url url = parse_url("http://[::1]:8000/x");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.authority(), "[::1]:8000");
  EXPECT_EQ(parse_url("http://[FE80::1]").host, "fe80::1");
}

TEST(Url, NeverPrintsTheQuery) {
  EXPECT_EQ(parse_url("http://h/a?signature=secret").to_string(), "http://h/a?...");
  EXPECT_EQ(redact_url("http://me:secret@h/a?b#c"), "http://***@h/a?...");
  EXPECT_EQ(redact_url("secret@h"), "***@h");
  EXPECT_EQ(redact_url("http://h/a@b"), "http://h/a@b");
}

TEST(Url, RefusesEveryOtherForm) {
  for (const char* text : {"",
                           "h/path",
                           "//h/path",
                           "http:/h",
                           "ftp://h/",
                           "https://h/",
                           "http://",
                           "http:///path",
                           "http://user@h/",
                           "http://user:secret@h/",
                           "http://h:/",
                           "http://h:0/",
                           "http://h:65536/",
                           "http://h:-1/",
                           "http://h:80x/",
                           "http://h/#f",
                           "http://h/a b",
                           "http://h/a\nb",
                           "http://h/%",
                           "http://h/%2",
                           "http://h/%zz",
                           "http://h/\xff",
                           "http://[::1",
                           "http://[::g]/",
                           "http://::1/",
                           "http://h\\x/",
                           "http://-h/",
                           "http://h/..",
                           "http://h/a/./b",
                           "http://h/%2e%2E/b",
                           "http://h/\"",
                           "http://h/?\x01"}) {
    try {
      parse_url(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const util::Error& error) {
      EXPECT_EQ(error.code(), util::ErrorCode::kUsage);
      EXPECT_EQ(error.message().find("secret"), std::string::npos) << error.message();
    }
  }
}

TEST(Url, RefusesOneThatIsTooLong) {
  UrlError error;
  EXPECT_FALSE(try_parse_url("http://h/" + std::string(kMaxUrlBytes, 'a'), error));
}

TEST(Url, ResolvesLocationsAgainstTheRequest) {
  const Url base = parse_url("http://h:1/a/b?q");
  UrlError error;
  EXPECT_EQ(resolve_location(base, "http://other/x?y#z", error)->to_string(), "http://other/x?...");
  EXPECT_EQ(resolve_location(base, "//other/x", error)->to_string(), "http://other/x");
  EXPECT_EQ(resolve_location(base, "/x", error)->to_string(), "http://h:1/x");
  EXPECT_EQ(resolve_location(base, "x", error)->to_string(), "http://h:1/a/x");
  EXPECT_EQ(resolve_location(base, "x?u=http://z/", error)->path, "/a/x");
}

TEST(Url, RefusesLocationsThatLeadElsewhere) {
  const Url base = parse_url("http://h/a");
  UrlError error;
  EXPECT_FALSE(resolve_location(base, "", error));
  EXPECT_FALSE(resolve_location(base, "file:///etc/passwd", error));
  EXPECT_FALSE(error.is_https);
  EXPECT_FALSE(resolve_location(base, "../../b", error));
  EXPECT_FALSE(resolve_location(base, "https://h/a", error));
  EXPECT_TRUE(error.is_https);
}

TEST(PercentCoding, MakesOneSegmentOfAnyText) {
  EXPECT_EQ(percent_encode("a/b:c~\xff"), "a%2Fb%3Ac~%FF");
  EXPECT_EQ(percent_decode("a%2Fb%3ac~%FF"), "a/b:c~\xff");
  EXPECT_EQ(percent_decode("%"), std::nullopt);
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(percent_decode("%4g"), std::nullopt);
}

}  // namespace
}  // namespace ondemand::http
