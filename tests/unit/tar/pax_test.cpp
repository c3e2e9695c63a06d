// SPDX-License-Identifier: Apache-2.0
#include "tar/pax.h"

#include <gmock/gmock.h>

#include <limits>

#include "support/tar_literal.h"
#include "util/error.h"

namespace ondemand::tar {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing_support::pax_record;
using util::Timestamp;

PaxValues parse(const std::string& records) {
  PaxValues values;
  parse_pax_records(util::as_bytes(records), values);
  return values;
}

TEST(PaxTime, HasAFractionOfAnyLengthRoundedDown) {
  EXPECT_EQ(parse_pax_time("0"), (Timestamp{0, 0}));
  EXPECT_EQ(parse_pax_time("12.5"), (Timestamp{12, 500000000}));
  EXPECT_EQ(parse_pax_time("12.000000001"), (Timestamp{12, 1}));
  EXPECT_EQ(parse_pax_time("12.9999999999"), (Timestamp{12, 999999999}));
  EXPECT_EQ(parse_pax_time("12."), (Timestamp{12, 0}));
  EXPECT_EQ(parse_pax_time("5000000000.25"), (Timestamp{5000000000, 250000000}));
}

TEST(PaxTime, CountsNanosecondsForwardBeforeTheEpoch) {
  EXPECT_EQ(parse_pax_time("-1"), (Timestamp{-1, 0}));
  EXPECT_EQ(parse_pax_time("-1.5"), (Timestamp{-2, 500000000}));
  EXPECT_EQ(parse_pax_time("-0.000000001"), (Timestamp{-1, 999999999}));
  EXPECT_EQ(parse_pax_time("-0.0000000001"), (Timestamp{-1, 999999999}));
  EXPECT_EQ(parse_pax_time("-0.9999999991"), (Timestamp{-1, 0}));
}

TEST(PaxTime, HoldsEveryNumberOfSecondsOf64Bits) {
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(parse_pax_time("9223372036854775807.5"), (Timestamp{-(kFirst + 1), 500000000}));
  EXPECT_EQ(parse_pax_time("-9223372036854775808"), (Timestamp{kFirst, 0}));
  EXPECT_EQ(parse_pax_time("-9223372036854775807.5"), (Timestamp{kFirst, 500000000}));
  EXPECT_THROW(parse_pax_time("-9223372036854775808.5"), util::Error);
  EXPECT_THROW(parse_pax_time("-9223372036854775809"), util::Error);
}

TEST(PaxTime, MayHaveAnExponentAsPythonWritesThem) {
  EXPECT_EQ(parse_pax_time("1e-09"), (Timestamp{0, 1}));
  EXPECT_EQ(parse_pax_time("1.5e-09"), (Timestamp{0, 1}));
  EXPECT_EQ(parse_pax_time("9.999999999e-05"), (Timestamp{0, 99999}));
  EXPECT_EQ(parse_pax_time("-1e-09"), (Timestamp{-1, 999999999}));
  EXPECT_EQ(parse_pax_time("-1.5e-09"), (Timestamp{-1, 999999998}));
  EXPECT_EQ(parse_pax_time("5e-324"), (Timestamp{0, 0}));
  EXPECT_EQ(parse_pax_time("-5e-324"), (Timestamp{-1, 999999999}));
  EXPECT_EQ(parse_pax_time("1e+16"), (Timestamp{10000000000000000, 0}));
  EXPECT_EQ(parse_pax_time("1.2345678901234567e+16"), (Timestamp{12345678901234567, 0}));
  EXPECT_EQ(parse_pax_time("1234.5e-02"), (Timestamp{12, 345000000}));
  EXPECT_EQ(parse_pax_time("1.23456e+02"), (Timestamp{123, 456000000}));
  EXPECT_EQ(parse_pax_time("0.0e+999"), (Timestamp{0, 0}));
}

TEST(PaxTime, MayHaveNoDigitsBeforeThePoint) {
  EXPECT_EQ(parse_pax_time(".5"), (Timestamp{0, 500000000}));
  EXPECT_EQ(parse_pax_time("-.5"), (Timestamp{-1, 500000000}));
}

TEST(PaxTime, IsRefusedWhenItIsNoTime) {
  for (const char* text : {"",       ".",      "-",     "-.",      "x",
                           "1.x",    "--1",    "+1",    "1.-5",    "99999999999999999999",
                           "1e",     "e5",     ".e5",   "1e+",     "1e+-5",
                           "1e--5",  "1e-1.5", "1e5e5", "1e+1000", "1e-1000",
                           "1e+300", "inf",    "nan",   "0x1p3",   "1E-09"})
    EXPECT_THROW(parse_pax_time(text), util::Error) << text;
}

TEST(PaxRecords, KeepValuesWithNewlinesNulsAndEqualSigns) {
  const std::string value("a\n=\0b", 5);
  EXPECT_THAT(parse(pax_record("SCHILY.xattr.user.x", value)).xattrs,
              ElementsAre(Pair("user.x", value)));
  EXPECT_THAT(parse(pax_record("SCHILY.xattr.user.empty", "")).xattrs,
              ElementsAre(Pair("user.empty", "")));
}

TEST(PaxRecords, DecodeLibarchiveXattrs) {
  const PaxValues values = parse(pax_record("LIBARCHIVE.xattr.user.%c3%a4%", "AAECAw") +
                                 pax_record("LIBARCHIVE.xattr.user.p", "YWI="));
  EXPECT_THAT(values.xattrs, ElementsAre(Pair("user.p", "ab"),
                                         Pair("user.\xC3\xA4%", std::string("\0\1\2\3", 4))));
}

TEST(PaxRecords, OfLibarchiveAreOneAttributeUnderBothKeys) {
  const std::string coded = "user.my%20attr%3Dcaf%C3%A9";
  const std::string exact = pax_record("LIBARCHIVE.xattr." + coded, "dg");
  const std::string raw = pax_record("SCHILY.xattr." + coded, "v");
  for (const std::string& records : {exact + raw, raw + exact})
    EXPECT_THAT(parse(records).xattrs, ElementsAre(Pair("user.my attr=caf\xC3\xA9", "v")));
  // GNU tar encodes two bytes only.
  EXPECT_THAT(parse(raw).xattrs, ElementsAre(Pair("user.my%20attr=caf%C3%A9", "v")));
  EXPECT_THAT(parse(raw + pax_record("LIBARCHIVE.xattr.user.x", "dg")).xattrs,
              ElementsAre(Pair("user.my%20attr=caf%C3%A9", "v"), Pair("user.x", "v")));
}

TEST(PaxRecords, GiveSelinuxLabelsTheirNul) {
  EXPECT_THAT(parse(pax_record("RHT.security.selinux", "system_u:x")).xattrs,
              ElementsAre(Pair("security.selinux", std::string("system_u:x\0", 11))));
}

TEST(PaxRecords, OfUnknownKeysAreIgnored) {
  const PaxValues values = parse(pax_record("comment", "x") + pax_record("VENDOR.key", "y"));
  EXPECT_FALSE(values.path);
  EXPECT_TRUE(values.xattrs.empty());
}

}  // namespace
}  // namespace ondemand::tar
