// SPDX-License-Identifier: Apache-2.0
#include "http/headers.h"

#include <gtest/gtest.h>

namespace ondemand::http {
namespace {

using Kind = RangeChoice::Kind;

TEST(Headers, AreFoundInAnyCase) {
  Headers headers;
  headers.add("Content-Type", "text/plain");
  ASSERT_NE(headers.find("content-TYPE"), nullptr);
  EXPECT_EQ(headers.get("CONTENT-type"), "text/plain");
  EXPECT_EQ(headers.find("Content"), nullptr);
  EXPECT_EQ(headers.get("x"), "");
}

TEST(ContentRange, ReadsTheThreeForms) {
  auto value = parse_content_range("bytes 5-9/100");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->range, (util::ByteRange{5, 5}));
  EXPECT_EQ(value->total, 100U);
  value = parse_content_range("Bytes 0-0/*");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->range, (util::ByteRange{0, 1}));
  EXPECT_FALSE(value->total);
  value = parse_content_range("bytes */100");
  ASSERT_TRUE(value);
  EXPECT_FALSE(value->range);
}

TEST(ContentRange, RefusesWhatDoesNotAddUp) {
  for (const char* text :
       {"", "bytes", "bytes 5-9", "bytes 9-5/100", "bytes 5-100/100", "bytes -/100", "bytes 5-/100",
        "items 5-9/100", "bytes a-9/100", "bytes 5-9/x", "bytes */*",
        "bytes 0-18446744073709551615/*", "bytes 0-99999999999999999999/*", "bytes=5-9/100"})
    EXPECT_FALSE(parse_content_range(text)) << text;
}

TEST(RangeField, ChoosesASinglePart) {
  EXPECT_EQ(choose_range("bytes=0-0", 100).range, (util::ByteRange{0, 1}));
  EXPECT_EQ(choose_range("bytes=10-", 100).range, (util::ByteRange{10, 90}));
  EXPECT_EQ(choose_range("bytes=90-1000", 100).range, (util::ByteRange{90, 10}));
  EXPECT_EQ(choose_range("bytes=-10", 100).range, (util::ByteRange{90, 10}));
  EXPECT_EQ(choose_range("bytes=-1000", 100).range, (util::ByteRange{0, 100}));
  EXPECT_EQ(choose_range("bytes = 5 - 6", 100).range, (util::ByteRange{5, 2}));
  EXPECT_EQ(choose_range("bytes=0-18446744073709551615", 100).range, (util::ByteRange{0, 100}));
}

TEST(RangeField, IsUnsatisfiableOutsideTheContent) {
  EXPECT_EQ(choose_range("bytes=100-", 100).kind, Kind::kUnsatisfiable);
  EXPECT_EQ(choose_range("bytes=100-200", 100).kind, Kind::kUnsatisfiable);
  EXPECT_EQ(choose_range("bytes=-0", 100).kind, Kind::kUnsatisfiable);
  EXPECT_EQ(choose_range("bytes=0-", 0).kind, Kind::kUnsatisfiable);
}

TEST(RangeField, MeansTheWholeWhereItIsNotUnderstood) {
  for (const char* text : {"", "bytes", "bytes=", "bytes=-", "bytes=0-1,5-6", "items=0-1",
                           "bytes=5-4", "bytes=x-1", "bytes=1-x", "bytes=--1"})
    EXPECT_EQ(choose_range(text, 100).kind, Kind::kWhole) << text;
}

}  // namespace
}  // namespace ondemand::http
