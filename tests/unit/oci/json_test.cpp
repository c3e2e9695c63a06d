// SPDX-License-Identifier: Apache-2.0
#include "oci/json.h"

#include <gtest/gtest.h>

#include "oci/docker_archive.h"
#include "unit/oci/expect_error.h"
#include "util/text.h"

namespace ondemand::oci {
namespace {

using test::digest_of;
using test::expect_error;
using util::concat;
using util::ErrorCode;

std::string descriptor(std::string_view extra = "") {
  return concat(R"({"mediaType":"a/b","digest":")", digest_of("x").to_string(), R"(","size":7)",
                extra, "}");
}

std::string manifest(std::string_view layers, std::string_view extra = "") {
  return concat(R"({"schemaVersion":2,"config":)", descriptor(), R"(,"layers":)", layers, extra,
                "}");
}

TEST(OciJson, ReadsAManifestWithAllItsParts) {
  const std::string text =
      manifest(concat("[", descriptor(R"(,"annotations":{"k":"v"},"urls":["u"])"), "]"),
               R"(,"mediaType":"m","artifactType":"t","annotations":{"a":"b"},"unknown":[1,{}])");
  const Manifest parsed = parse_manifest(text, "m");
  ASSERT_EQ(parsed.layers.size(), 1U);
  EXPECT_EQ(parsed.layers[0].annotation("k"), "v");
  EXPECT_EQ(parsed.layers[0].annotation("absent"), "");
  EXPECT_EQ(parsed.layers[0].urls, std::vector<std::string>{"u"});
  EXPECT_EQ(parsed.layers[0].size, 7U);
  EXPECT_EQ(parsed.artifact_type, "t");
  EXPECT_EQ(parsed.annotations.at("a"), "b");
}

TEST(OciJson, WritesLiteralBytesInAFixedOrder) {
  Manifest value;
  value.config.media_type = "c";
  value.config.digest = digest_of("c");
  value.config.size = 1;
  value.annotations = {{"z", "1"}, {"a", "2"}};
  EXPECT_EQ(
      to_json(value),
      concat(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)",
             R"("config":{"mediaType":"c","digest":")", digest_of("c").to_string(),
             R"(","size":1},"layers":[],"annotations":{"a":"2","z":"1"}})"));
}

TEST(OciJson, WritingAndReadingAgainChangesNothing) {
  const std::string layer = descriptor(R"(,"platform":{"architecture":"arm","os":"linux",
      "variant":"v7","os.version":"1","os.features":["erofs"]},"artifactType":"q")");
  const Manifest first = parse_manifest(manifest(concat("[", layer, ",", layer, "]")), "m");
  const std::string text = to_json(first);
  EXPECT_EQ(to_json(parse_manifest(text, "m")), text);
  ASSERT_TRUE(first.layers[1].platform);
  EXPECT_EQ(first.layers[1].platform->os_features, std::vector<std::string>{"erofs"});

  const Index index = parse_index(
      concat(R"({"schemaVersion":2,"manifests":[)", layer, R"(],"annotations":{"x":"y"}})"), "i");
  EXPECT_EQ(to_json(parse_index(to_json(index), "i")), to_json(index));
}

TEST(OciJson, TheLastOfDuplicateMembersCounts) {
  const Manifest parsed =
      parse_manifest(manifest("[]", R"(,"mediaType":"one","mediaType":"two")"), "m");
  EXPECT_EQ(parsed.media_type, "two");
}

TEST(OciJson, NullCountsAsAbsent) {
  const Manifest parsed = parse_manifest(manifest("[]", R"(,"annotations":null)"), "m");
  EXPECT_TRUE(parsed.annotations.empty());
  EXPECT_TRUE(parse_index(R"({"schemaVersion":2,"manifests":null})", "i").manifests.empty());
}

TEST(OciJson, RefusesWhatIsNotWellFormed) {
  const std::vector<std::string> bad{
      "",
      "{",
      "[]",
      "1",
      "nul",
      "{}",
      "{\"schemaVersion\":2,\"config\":1,\"layers\":[]}",
      manifest("{}"),
      manifest("[1]"),
      manifest("null"),
      manifest("[]") + "x",
      manifest("[{}]"),
      manifest("[]", ",\"mediaType\":3"),
      manifest("[]", ",\"annotations\":[]"),
      manifest("[]", ",\"annotations\":{\"a\":1}"),
      manifest("[]", ",\"n\":1e999"),
      manifest("[]", ",\"s\":\"\xff\""),
      manifest("[]", ",\"s\":\"\\ud800\""),
      manifest("[]", ",\"schemaVersion\":1"),
      concat("{\"schemaVersion\":2,\"config\":", descriptor(), "}"),
      manifest(R"([{"mediaType":"a","digest":"sha256:00","size":1}])"),
      manifest(concat(R"([{"mediaType":"a","digest":"sha512:)", std::string(128, '0'),
                      R"(","size":1}])")),
      manifest(concat("[", descriptor(R"(,"size":-1)"), "]")),
      manifest(concat("[", descriptor(R"(,"size":1.5)"), "]")),
      manifest(concat("[", descriptor(R"(,"size":"1")"), "]")),
      manifest(concat("[", descriptor(R"(,"size":18446744073709551615)"), "]")),
      manifest(concat("[", descriptor(R"(,"platform":[])"), "]")),
      manifest(concat("[", descriptor(R"(,"platform":{"os.features":[1]})"), "]")),
  };
  for (const std::string& text : bad)
    expect_error(ErrorCode::kCorrupt, "doc: parse: ", [&] { parse_manifest(text, "doc"); });
}

TEST(OciJson, RefusesADocumentThatIsManifestAndIndexAtOnce) {
  const std::string both = manifest("[]", R"(,"manifests":[])");
  expect_error(ErrorCode::kCorrupt, "at once", [&] { parse_manifest(both, "m"); });
  expect_error(ErrorCode::kCorrupt, "at once", [&] { parse_index(both, "m"); });
  expect_error(ErrorCode::kCorrupt, "at once", [&] { is_index(both, "m"); });
}

TEST(OciJson, TellsIndexFromManifest) {
  EXPECT_TRUE(is_index(R"({"schemaVersion":2,"manifests":[]})", "d"));
  EXPECT_TRUE(is_index(
      R"({"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json"})", "d"));
  EXPECT_FALSE(is_index(manifest("[]"), "d"));
  expect_error(ErrorCode::kCorrupt, "is an image index",
               [] { parse_manifest(R"({"schemaVersion":2,"manifests":[]})", "d"); });
  expect_error(ErrorCode::kCorrupt, "is not an image index",
               [] { parse_index(manifest("[]"), "d"); });
}

TEST(OciJson, DeepNestingIsRefusedNotFollowed) {
  for (const std::string& open : {std::string("["), std::string("{\"a\":")}) {
    std::string text;
    for (int i = 0; i < 200'000; ++i)
      text += open;
    expect_error(ErrorCode::kCorrupt, "levels deep", [&] { is_index(text, "d"); });
  }
}

TEST(OciJson, LimitsHoldBeforeTheWorkIsDone) {
  expect_error(ErrorCode::kTooLarge, "more than the limit",
               [] { parse_manifest(std::string(kMaxManifestBytes + 1, ' '), "d"); });
  std::string many = "[0";
  for (std::size_t i = 0; i < kMaxJsonValues; ++i)
    many += ",0";
  expect_error(ErrorCode::kCorrupt, "values", [&] { is_index(many + "]", "d"); });
}

TEST(OciJson, WritingTextThatIsNotUtf8IsAnError) {
  Manifest value;
  value.annotations["k"] = "\xff";
  expect_error(ErrorCode::kUsage, "UTF-8", [&] { to_json(value); });
}

TEST(OciJson, ChecksTheLayoutFile) {
  check_layout_file(kLayoutFileJson, "l");
  expect_error(ErrorCode::kCorrupt, "is missing", [] { check_layout_file("{}", "l"); });
  expect_error(ErrorCode::kUnsupported, "2.0.0",
               [] { check_layout_file(R"({"imageLayoutVersion":"2.0.0"})", "l"); });
}

TEST(DockerManifest, IsRead) {
  const auto images = parse_docker_manifest(
      R"([{"Config":"c.json","RepoTags":null,"Layers":["a/layer.tar","b"]}])", "m");
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].config, "c.json");
  EXPECT_TRUE(images[0].repo_tags.empty());
  EXPECT_EQ(images[0].layers.size(), 2U);
}

TEST(DockerManifest, RefusesOtherForms) {
  for (const char* text : {"{}", "[]", "[1]", R"([{"RepoTags":[]}])", R"([{"Config":1}])",
                           R"([{"Config":"c","Layers":"x"}])"})
    expect_error(ErrorCode::kCorrupt, "m: parse", [&] { parse_docker_manifest(text, "m"); });
}

}  // namespace
}  // namespace ondemand::oci
