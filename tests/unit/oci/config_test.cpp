// SPDX-License-Identifier: Apache-2.0
#include "oci/config.h"

#include <gtest/gtest.h>

#include <array>

#include "unit/oci/expect_error.h"
#include "util/text.h"

namespace ondemand::oci {
namespace {

using test::digest_of;
using test::expect_error;
using util::concat;
using util::ErrorCode;

const std::array<hash::Digest, 3> kIds{digest_of("1"), digest_of("2"), digest_of("3")};

std::string id_list() {
  return concat("[\"", kIds[0].to_string(), "\",\"", kIds[1].to_string(), "\",\"",
                kIds[2].to_string(), "\"]");
}

std::string make(std::string_view source) {
  return make_erofs_config(source, "c", kIds, "tool", Platform{"amd64", "linux", "", "", {}});
}

TEST(Config, EverythingOfTheSourceSurvives) {
  const std::string out = make(
      R"({"os":"linux","architecture":"arm64","config":{"Env":["A=b"],"Entrypoint":["/x"],"User":"7"},
          "rootfs":{"type":"layers","diff_ids":[]},"x.unknown":{"deep":[1,2.5,null,"\u00e9"]}})");
  EXPECT_EQ(out, concat(R"({"config":{"Entrypoint":["/x"],"Env":["A=b"],"User":"7"},)",
                        R"("architecture":"arm64","os":"linux","os.features":["erofs"],)",
                        R"("rootfs":{"diff_ids":)", id_list(),
                        R"(,"type":"layers"},"x.unknown":{"deep":[1,2.5,null,"é"]}})"));
}

TEST(Config, IsTheSameWhateverTheOrderOfTheSource) {
  EXPECT_EQ(make(R"({"a":1,"b":{"c":2,"d":3}})"), make(R"({"b":{"d":3,"c":2},"a":1})"));
}

TEST(Config, MakingItAgainFromItselfChangesNothing) {
  const std::string once = make(R"({"os.features":["win32k","erofs","erofs"]})");
  EXPECT_NE(once.find(R"("os.features":["win32k","erofs"])"), std::string::npos) << once;
  EXPECT_EQ(make(once), once);
}

TEST(Config, HistoryCountsAsManyLayersAsThereAre) {
  const std::string out = make(R"({"history":[{"created_by":"RUN a"},{"empty_layer":true}]})");
  EXPECT_NE(out.find(R"("history":[{"created_by":"RUN a","empty_layer":true},{"empty_layer":true},)"
                     R"({"created_by":"tool"},{"created_by":"tool"},{"created_by":"tool"}])"),
            std::string::npos)
      << out;
  EXPECT_EQ(make("{}").find("history"), std::string::npos);
  EXPECT_EQ(make(R"({"history":null})").find("history"), std::string::npos);
}

TEST(Config, MissingPlatformComesFromTheCaller) {
  const std::string out = make(R"({"os":"","architecture":null})");
  EXPECT_EQ(parse_config(out, "c").platform.architecture, "amd64");
  EXPECT_EQ(parse_config(out, "c").platform.os, "linux");
}

TEST(Config, DefaultForAPlainRoot) {
  EXPECT_EQ(make_default_config(Platform{"arm", "linux", "v7", "", {}}, {}),
            R"({"config":{},"architecture":"arm","os":"linux","os.features":["erofs"],)"
            R"("rootfs":{"diff_ids":[],"type":"layers"},"variant":"v7"})");
}

TEST(Config, FactsAreRead) {
  const ConfigFacts facts = parse_config(make(R"({"variant":"v8"})"), "c");
  EXPECT_EQ(facts.platform.variant, "v8");
  EXPECT_EQ(facts.diff_ids, std::vector<hash::Digest>(kIds.begin(), kIds.end()));
}

TEST(Config, RefusesWhatIsNoConfiguration) {
  for (const char* text : {"[]", "", "{}", R"({"rootfs":1})", R"({"rootfs":{"type":"x"}})",
                           R"({"rootfs":{"type":"layers","diff_ids":["sha256:1"]}})",
                           R"({"rootfs":{"type":"layers","diff_ids":{}}})"})
    expect_error(ErrorCode::kCorrupt, "c: parse", [&] { parse_config(text, "c"); });
  for (const char* text :
       {"[]", R"({"os.features":"x"})", R"({"history":{}})", R"({"history":[1]})", R"({"os":1})"})
    expect_error(ErrorCode::kCorrupt, "c: parse", [&] { make(text); });
}

TEST(Config, NumbersStayAsTheyWereWritten) {
  for (const char* number :
       {"0", "-0", "-1", "18446744073709551615", "18446744073709551616", "-9223372036854775808",
        "-9223372036854775809", "12345678901234567890123", "1.50", "0.10000000000000000001", "1e2",
        "1E+2", "-0.0", "1e-400", "2.5"}) {
    const std::string member = util::concat("\"x.big\":", number);
    for (const std::string& value : {member, "\"x.nested\":{\"a\":[{" + member + "}]}"}) {
      const std::string out = make("{" + value + R"(,"rootfs":{"type":"layers","diff_ids":[]}})");
      EXPECT_NE(out.find(member), std::string::npos) << number << " in " << out;
      EXPECT_EQ(make(out.c_str()), out);
    }
  }
  expect_error(ErrorCode::kCorrupt, "member 'Big': the number 1e400 is out of range",
               [] { make(R"({"Big":1e400})"); });
}

TEST(Config, TheEpochStandsInForTheTimeAndLaterTimesBecomeIt) {
  const std::vector<hash::Digest> ids(1);
  const std::string source =
      R"({"created":"2024-05-06T07:08:09.5Z","history":[{"created":"2020-01-01T00:00:00Z"},)"
      R"({"created":"2099-01-01T00:00:00+02:00"}],"rootfs":{"type":"layers","diff_ids":[]}})";
  const std::string made = make_erofs_config(source, "config", ids, "tool", {}, 1700000000);
  EXPECT_NE(
      made.find(
          R"("created":"2023-11-14T22:13:20Z","history":[{"created":"2020-01-01T00:00:00Z",)"),
      std::string::npos)
      << made;
  EXPECT_EQ(made.find("2099"), std::string::npos) << made;
  EXPECT_NE(made.find(R"({"created":"2023-11-14T22:13:20Z","created_by":"tool"})"),
            std::string::npos)
      << made;
  EXPECT_NE(make_default_config({}, ids, 0).find(R"("created":"1970-01-01T00:00:00Z")"),
            std::string::npos);
  EXPECT_EQ(make_default_config({}, ids).find("created"), std::string::npos);
  const std::string plain = make_erofs_config(source, "config", ids, "tool", {});
  EXPECT_NE(plain.find("2024-05-06T07:08:09.5Z"), std::string::npos);
}

TEST(Config, AFractionOfASecondBehindTheEpochIsLater) {
  const std::vector<hash::Digest> ids(1);
  const auto created = [&](const std::string& time) {
    const std::string source =
        "{\"created\":\"" + time + R"(","rootfs":{"type":"layers","diff_ids":[]}})";
    const std::string made = make_erofs_config(source, "config", ids, "tool", {}, 1700000000);
    const std::size_t begin = made.find("\"created\":\"") + 11;
    return made.substr(begin, made.find('"', begin) - begin);
  };
  const std::string epoch = "2023-11-14T22:13:20Z";
  EXPECT_EQ(created("2023-11-14T22:13:20.9Z"), epoch);
  EXPECT_EQ(created("2023-11-14T22:13:20.000000001Z"), epoch);
  EXPECT_EQ(created("2023-11-15T00:13:20.05+02:00"), epoch);
  for (const char* same : {"2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000Z",
                           "2023-11-14T22:13:19.999Z", "2023-11-15T00:13:20+02:00"})
    EXPECT_EQ(created(same), same);
}

TEST(Config, TimesAreReadAndWrittenByRfc3339) {
  EXPECT_EQ(to_rfc3339(951782400), "2000-02-29T00:00:00Z");
  EXPECT_EQ(to_rfc3339(253402300799), "9999-12-31T23:59:59Z");
  EXPECT_EQ(parse_rfc3339("2000-02-29T00:00:00Z"), 951782400);
  EXPECT_EQ(parse_rfc3339("2000-02-29T01:30:00.123+01:30"), 951782400);
  EXPECT_EQ(parse_rfc3339("2000-02-28T22:30:00-01:30"), 951782400);
  for (const char* bad :
       {"", "2000", "2000-02-30T00:00:00Z", "2000-02-29T24:00:00Z", "2000-02-29T00:00:00",
        "2000-02-29T00:00:00Zx", "2000-02-29T00:00:00+1:00", "2000-02-29X00:00:00Z",
        "20-0-02-29T00:00:00Z"})
    EXPECT_EQ(parse_rfc3339(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace ondemand::oci
