// SPDX-License-Identifier: Apache-2.0
#include "oci/select.h"

#include <gtest/gtest.h>

#include <map>

#include "oci/json.h"
#include "unit/oci/expect_error.h"

namespace ondemand::oci {
namespace {

using test::digest_of;

class Documents {
 public:
  Descriptor put_index(const std::vector<Descriptor>& entries) {
    Index index;
    index.manifests = entries;
    const std::string json = to_json(index);
    Descriptor out;
    out.media_type = "application/vnd.oci.image.index.v1+json";
    out.digest = digest_of(json);
    out.size = json.size();
    documents_[out.digest] = json;
    return out;
  }
  DocumentReader reader() {
    return [this](const Descriptor& descriptor) -> std::optional<std::string> {
      const auto found = documents_.find(descriptor.digest);
      if (found == documents_.end()) return std::nullopt;
      return found->second;
    };
  }

 private:
  std::map<hash::Digest, std::string> documents_;
};

Descriptor image(std::string_view content, std::string_view os = "") {
  Descriptor out;
  out.media_type = "application/vnd.oci.image.manifest.v1+json";
  out.digest = digest_of(content);
  if (!os.empty()) out.platform = Platform{std::string(os), std::string(os), "", "", {}};
  return out;
}

TEST(Select, NestedIndexesAreFollowedOnceEach) {
  Documents documents;
  const Descriptor inner = documents.put_index({image("b"), image("c")});
  const Descriptor outer = documents.put_index({inner, image("a"), inner});
  const auto found = collect_manifests({outer, outer, image("b")}, documents.reader(), "x");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].digest, digest_of("b"));
  EXPECT_EQ(found[2].digest, digest_of("a"));
}

TEST(Select, AttestationsAndMissingIndexesArePassedOver) {
  Documents documents;
  Descriptor attestation = image("t");
  attestation.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  Descriptor missing = image("m");
  missing.media_type = "application/vnd.oci.image.index.v1+json";
  const auto found = collect_manifests({attestation, image("u", "unknown"), missing, image("a")},
                                       documents.reader(), "x");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].digest, digest_of("a"));
}

TEST(Select, AnEntryIsFoundByItsDigestAtAnyDepth) {
  Documents documents;
  Descriptor attestation = image("t");
  attestation.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  const Descriptor inner = documents.put_index({image("b"), image("c", "linux"), attestation});
  Descriptor outer = documents.put_index({inner, image("a")});
  outer.annotations["org.opencontainers.image.ref.name"] = "multi";
  const auto find = [&](const hash::Digest& digest) {
    return find_entry({image("x"), attestation, outer}, digest, documents.reader(), "x");
  };
  for (const Descriptor& entry : {outer, inner, image("a"), image("b"), image("c"), image("x")}) {
    ASSERT_TRUE(find(entry.digest));
    EXPECT_EQ(find(entry.digest)->digest, entry.digest);
  }
  EXPECT_EQ(find(digest_of("c"))->platform->os, "linux");
  EXPECT_EQ(display_name(*find(digest_of("c"))), "multi");
  EXPECT_EQ(display_name(*find(digest_of("x"))), "");
  EXPECT_FALSE(find(digest_of("none")));
  EXPECT_FALSE(find(attestation.digest));
}

TEST(Select, ThereIsALimitOnIndexes) {
  Documents documents;
  Descriptor top = documents.put_index({image("a")});
  for (std::size_t i = 0; i <= kMaxNestedIndexes; ++i)
    top = documents.put_index({top});
  test::expect_error(util::ErrorCode::kTooLarge, "too many indexes",
                     [&] { collect_manifests({top}, documents.reader(), "x"); });
}

}  // namespace
}  // namespace ondemand::oci
