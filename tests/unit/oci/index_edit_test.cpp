// SPDX-License-Identifier: Apache-2.0
#include "oci/index_edit.h"

#include <gtest/gtest.h>

#include "oci/json.h"
#include "oci/select.h"
#include "unit/oci/expect_error.h"
#include "util/text.h"

namespace ondemand::oci {
namespace {

using test::digest_of;

Descriptor image(std::string_view content) {
  Descriptor out;
  out.media_type = "application/vnd.oci.image.manifest.v1+json";
  out.digest = digest_of(content);
  out.size = content.size();
  return out;
}

const std::string kEmpty = to_json(Index{});

TEST(IndexEdit, AddingTheSameAgainChangesNothing) {
  const IndexEdit first = add_to_index(kEmpty, "i", image("a"), "v1");
  EXPECT_TRUE(first.changed);
  const IndexEdit again = add_to_index(first.json, "i", image("a"), "v1");
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.json, first.json);
  EXPECT_FALSE(add_to_index(first.json, "i", image("a"), "").changed);
}

TEST(IndexEdit, ANameMovesAndTheOldImageStays) {
  const std::string one = add_to_index(kEmpty, "i", image("a"), "v1").json;
  const IndexEdit moved = add_to_index(one, "i", image("b"), "v1");
  EXPECT_EQ(moved.moved_from, digest_of("a"));
  const Index index = parse_index(moved.json, "i");
  ASSERT_EQ(index.manifests.size(), 2U);
  EXPECT_EQ(index.manifests[0].digest, digest_of("a"));
  EXPECT_TRUE(index.manifests[0].annotations.empty());
  ASSERT_EQ(entries_named(index.manifests, "v1").size(), 1U);
  EXPECT_EQ(entries_named(index.manifests, "v1")[0].digest, digest_of("b"));

  // And back: the entry without a name takes it, nothing is doubled.
  const Index back = parse_index(add_to_index(moved.json, "i", image("a"), "v1").json, "i");
  EXPECT_EQ(back.manifests.size(), 2U);
  EXPECT_EQ(entries_named(back.manifests, "v1")[0].digest, digest_of("a"));
}

TEST(IndexEdit, OneImageMayHaveSeveralNames) {
  const std::string one = add_to_index(kEmpty, "i", image("a"), "v1").json;
  const std::string two = add_to_index(one, "i", image("a"), "v2").json;
  EXPECT_EQ(parse_index(two, "i").manifests.size(), 2U);
  // Losing both names leaves one entry without.
  const std::string three = add_to_index(two, "i", image("b"), "v1").json;
  const std::string four = add_to_index(three, "i", image("b"), "v2").json;
  std::size_t unnamed = 0;
  for (const Descriptor& entry : parse_index(four, "i").manifests)
    unnamed += entry.digest == digest_of("a") ? 1U : 0U;
  EXPECT_EQ(unnamed, 1U);
}

TEST(IndexEdit, WhatOthersWroteStays) {
  const std::string foreign =
      util::concat(R"({"schemaVersion":2,"x":{"y":1},"manifests":[{"mediaType":"q","digest":")",
                   digest_of("f").to_string(), R"(","size":3,"data":"AAAA","z":true}]})");
  const std::string out = add_to_index(foreign, "i", image("a"), "v1").json;
  EXPECT_NE(out.find(R"("x":{"y":1})"), std::string::npos);
  EXPECT_NE(out.find(R"("data":"AAAA")"), std::string::npos);
  EXPECT_NE(out.find(R"("z":true)"), std::string::npos);
}

TEST(IndexEdit, RefusesWhatIsNoIndex) {
  test::expect_error(util::ErrorCode::kCorrupt, "i: parse",
                     [] { add_to_index("{}", "i", image("a"), "v"); });
}

}  // namespace
}  // namespace ondemand::oci
