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

}  // namespace
}  // namespace ondemand::oci
