// SPDX-License-Identifier: Apache-2.0
#include "util/text.h"

#include <gtest/gtest.h>

namespace ondemand::util {
namespace {

TEST(Text, ConcatJoinsTextAndIntegers) {
  EXPECT_EQ(concat("a", 1, ':', -2, std::string("b")), "a1:-2b");
}

TEST(Text, HexRoundTripsAndRefusesOtherText) {
  const Buffer bytes{0x00, 0x7f, 0xff};
  EXPECT_EQ(to_hex(Bytes(bytes)), "007fff");
  EXPECT_EQ(from_hex("007FFf"), bytes);
  EXPECT_EQ(from_hex("0"), std::nullopt);
  EXPECT_EQ(from_hex("0g"), std::nullopt);
}

TEST(Text, ParseU64TakesWholeDecimalNumbersOnly) {
  EXPECT_EQ(parse_u64("18446744073709551615"), 18446744073709551615U);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"})
    EXPECT_EQ(parse_u64(bad), std::nullopt) << bad;
}

TEST(Text, HumanBytesUsesPowersOfTen) {
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(999'960), "1.0 MB");
  EXPECT_EQ(human_bytes(1'450'000), "1.4 MB");
}

TEST(Text, PrintableKeepsUtf8AndEscapesWhatDrivesTerminals) {
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(printable("a\n\x1b[1m\\"), "a\\x0a\\x1b[1m\\x5c");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");
}

}  // namespace
}  // namespace ondemand::util
