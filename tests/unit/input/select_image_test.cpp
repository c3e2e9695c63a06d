// SPDX-License-Identifier: Apache-2.0
//
// Layouts written by hand: selection by platform, and everything that can be wrong with one.
#include <gtest/gtest.h>

#include "oci/reference.h"
#include "unit/input/image_maker.h"

namespace ondemand::input {
namespace {

using oci::Descriptor;
using test::digest_of;
using test::expect_error;
using util::ErrorCode;

class SelectImageTest : public ::testing::Test {
 protected:
  Descriptor put(std::string_view bytes, std::string_view type) {
    return store_.put_bytes(util::as_bytes(bytes), type);
  }
  // An image of one tar layer; `break_it` may damage the manifest before it is stored.
  template <class Break>
  Descriptor put_image(const std::string& platform, Break break_it) {
    const std::string tar = platform + std::string(1024, '\0');
    oci::Manifest manifest;
    manifest.layers = {put(tar, format::kMediaOciLayerTar)};
    const oci::Platform parsed = oci::parse_platform(platform);
    std::vector<hash::Digest> ids{digest_of(tar)};
    std::string config = oci::make_default_config(parsed, ids);
    break_it(manifest, config);
    manifest.config = put(config, format::kMediaOciConfig);
    Descriptor out = put(oci::to_json(manifest), format::kMediaOciManifest);
    out.platform = parsed;
    return out;
  }
  Descriptor put_image(const std::string& platform) {
    return put_image(platform, [](oci::Manifest&, std::string&) {});
  }
  void put_index(std::vector<Descriptor> entries) {
    oci::Index index;
    index.manifests = std::move(entries);
    test::write_text(store_.path() / "index.json", oci::to_json(index));
  }
  Descriptor put_nested(std::vector<Descriptor> entries) {
    oci::Index index;
    index.manifests = std::move(entries);
    return put(oci::to_json(index), format::kMediaOciIndex);
  }
  ImageInput open(const char* platform = nullptr) {
    InputOptions options = test::options_for(store_.path());
    if (platform != nullptr) options.platform = oci::parse_platform(platform);
    return open_image(options);
  }
  // As mkfs-erofs-ondemand selects.
  ImageInput open_ref(const std::string& ref, const char* platform = nullptr) {
    InputOptions options = test::options_for(store_.path());
    options.ref = ref;
    options.ref_is_optional = true;
    if (platform != nullptr) options.platform = oci::parse_platform(platform);
    return open_image(options);
  }
  template <class Break>
  void expect_broken(ErrorCode code, std::string_view part, Break break_it) {
    put_index({put_image("linux/mips", break_it)});
    expect_error(code, part, [&] { test::content_of(open()); });
  }
  test::TemporaryDirectory directory_;
  store::Store store_ = store::Store::create_or_open(directory_.path(), util::Durability::kNoSync);
  const std::string host_ = oci::to_string(oci::host_platform());
};

TEST_F(SelectImageTest, TheOnlyImageNeedsNoPlatform) {
  const Descriptor image = put_image("linux/mips");
  put_index({put_nested({image})});
  EXPECT_EQ(open().source_digest, image.digest);
  EXPECT_EQ(open("linux/mips").platform.architecture, "mips");
  expect_error(ErrorCode::kNotFound, "there are:", [&] { open("linux/sparc"); });
}

TEST_F(SelectImageTest, PlatformsSelectInNestedIndexes) {
  const Descriptor mips = put_image("linux/mips");
  const Descriptor host = put_image(host_);
  Descriptor attestation = put_image("linux/s390");
  attestation.platform = oci::Platform{"unknown", "unknown", "", "", {}};
  put_index({put_nested({mips, host, attestation})});
  EXPECT_EQ(open("linux/mips").source_digest, mips.digest);
  EXPECT_EQ(open().source_digest, host.digest);
}

TEST_F(SelectImageTest, ADigestSelectsWhereverItStands) {
  const Descriptor host = put_image(host_);
  const Descriptor arm = put_image("linux/mips");
  const Descriptor v6 = put_image("linux/sparc/v6");
  const Descriptor v7 = put_image("linux/sparc/v7");
  const Descriptor inner = put_nested({v6, v7});
  Descriptor outer = put_nested({put_nested({host, arm}), inner});
  outer.annotations["org.opencontainers.image.ref.name"] = "multi";
  const Descriptor other = put_image("windows/s390");
  for (const std::vector<Descriptor>& top : {std::vector{outer}, std::vector{other, outer}}) {
    put_index(top);
    for (const Descriptor& image : {host, arm, v6, v7}) {
      const ImageInput found = open_ref(image.digest.to_string());
      EXPECT_EQ(found.source_digest, image.digest);
      EXPECT_EQ(found.default_ref, "multi");
    }
    const std::string index = inner.digest.to_string();
    EXPECT_EQ(open_ref(index, "linux/sparc/v7").source_digest, v7.digest);
    expect_error(ErrorCode::kNotFound, v6.digest.to_string(), [&] { open_ref(index); });
    expect_error(ErrorCode::kNotFound, "there are:", [&] { open_ref(index, "linux/mips"); });
    // What the message names can be given.
    expect_error(ErrorCode::kUsage, v6.digest.to_string() + " (linux/sparc/v6)",
                 [&] { open_ref("multi", "linux/sparc"); });
    EXPECT_EQ(open_ref(v6.digest.to_string(), "linux/sparc").source_digest, v6.digest);
    expect_error(ErrorCode::kNotFound,
                 "there are:", [&] { open_ref(v6.digest.to_string(), "linux/mips"); });
  }
}

TEST_F(SelectImageTest, ADigestIsNeverOptional) {
  const Descriptor image = put_image("linux/mips");
  put_index({image});
  EXPECT_EQ(open_ref("any-name").source_digest, image.digest);
  EXPECT_EQ(open_ref(image.digest.to_string()).source_digest, image.digest);
  expect_error(ErrorCode::kNotFound, "there are: " + image.digest.to_string(),
               [&] { open_ref(digest_of("none").to_string()); });
}

TEST_F(SelectImageTest, ImagesThatTheArchiveLeftOutAreNoChoice) {
  Descriptor absent = put_image(host_);
  absent.digest = digest_of("absent");
  const Descriptor present = put_image("linux/mips");
  put_index({put_nested({absent, present})});
  EXPECT_EQ(open().source_digest, present.digest);
}

TEST_F(SelectImageTest, TheTarTwinOfAnErofsImageIsTaken) {
  Descriptor erofs = put_image("linux/sparc");
  erofs.platform->os_features = {"erofs"};
  const Descriptor tar = put_image("linux/mips");
  put_index({tar, erofs});
  EXPECT_EQ(open().source_digest, tar.digest);
}

// What `oras copy -r`, cosign and helm leave beside an image: an empty configuration, a signature
// that has the configuration of an image, a chart, a manifest of a kind that is gone.
TEST_F(SelectImageTest, ArtifactsBesideAnImageAreNoChoice) {
  const auto put_artifact = [this](std::string_view config, std::string_view layer) {
    oci::Manifest manifest;
    manifest.layers = {put("{}", layer)};
    manifest.config = put("{}", config);
    return put(oci::to_json(manifest), format::kMediaOciManifest);
  };
  const std::vector<Descriptor> artifacts{
      put_artifact("application/vnd.oci.empty.v1+json", "application/spdx+json"),
      put_artifact(format::kMediaOciConfig, "application/vnd.dev.cosign.simplesigning.v1+json"),
      put_artifact("application/vnd.cncf.helm.config.v1+json", format::kMediaOciLayerTar),
      put("{\"x\": 1}", "application/vnd.oci.artifact.manifest.v1+json")};
  Descriptor image = put_image(host_);
  image.platform.reset();
  for (const bool is_nested : {false, true}) {
    std::vector<Descriptor> entries = artifacts;
    entries.push_back(image);
    put_index(is_nested ? std::vector{put_nested(entries)} : entries);
    EXPECT_EQ(open().source_digest, image.digest);
    EXPECT_EQ(open(host_.c_str()).source_digest, image.digest);
    expect_error(ErrorCode::kNotFound, "there are: " + image.digest.to_string(),
                 [&] { open("linux/mips"); });
  }
  put_index(artifacts);
  expect_error(ErrorCode::kUnsupported, "leads to artifacts, and to no image", [&] { open(); });
  put_index({artifacts.front()});
  for (const char* platform : {static_cast<const char*>(nullptr), "linux/mips"})
    expect_error(ErrorCode::kUnsupported, "application/spdx+json", [&] { open(platform); });
}

TEST_F(SelectImageTest, UnknownKindsOfLayerAreUnsupported) {
  expect_broken(ErrorCode::kUnsupported, "EROFS image already", [](oci::Manifest& m, std::string&) {
    m.layers[0].media_type = format::kMediaErofs;
  });
  // Ours begin with the blobs.
  expect_broken(ErrorCode::kUnsupported, "EROFS image already", [](oci::Manifest& m, std::string&) {
    m.layers.push_back(m.layers[0]);
    m.layers[0].media_type = format::kMediaOctetStreamZstd;
    m.layers[1].media_type = format::kMediaErofs;
  });
  expect_broken(ErrorCode::kUnsupported, "application/x-helm", [](oci::Manifest& m, std::string&) {
    m.layers[0].media_type = "application/x-helm";
  });
}

TEST_F(SelectImageTest, MissingObjectsAreNamed) {
  expect_broken(ErrorCode::kNotFound, digest_of("gone").to_string(),
                [](oci::Manifest& m, std::string&) { m.layers[0].digest = digest_of("gone"); });
  expect_broken(ErrorCode::kNotFound, "foreign layer", [](oci::Manifest& m, std::string&) {
    m.layers[0].digest = digest_of("gone");
    m.layers[0].urls = {"https://example.org/x"};
  });
  const Descriptor image = put_image("linux/mips");
  std::filesystem::remove(store_.blob_path(image.digest));
  put_index({image});
  expect_error(ErrorCode::kNotFound, image.digest.to_string(), [&] { open(); });
}

TEST_F(SelectImageTest, WrongSizesAndDigestsAreTold) {
  expect_broken(ErrorCode::kCorrupt, "bytes, not",
                [](oci::Manifest& m, std::string&) { m.layers[0].size += 1; });
  expect_broken(ErrorCode::kDigestMismatch, "diffID", [](oci::Manifest&, std::string& config) {
    config = oci::make_default_config({"mips", "linux", "", "", {}}, std::vector{digest_of("x")});
  });
  expect_broken(ErrorCode::kCorrupt, "2 diffIDs for 1 layers",
                [](oci::Manifest&, std::string& config) {
                  config = oci::make_default_config({"mips", "linux", "", "", {}},
                                                    std::vector{digest_of("x"), digest_of("y")});
                });
  expect_broken(ErrorCode::kCorrupt, "rootfs",
                [](oci::Manifest&, std::string& config) { config = "{}"; });
}

TEST_F(SelectImageTest, DamagedDocumentsAreTold) {
  const Descriptor image = put_image("linux/mips");
  put_index({image});
  std::string text = test::read_text(store_.blob_path(image.digest));
  text[text.size() / 2] ^= 1;
  test::write_text(store_.blob_path(image.digest), text);
  expect_error(ErrorCode::kDigestMismatch, "manifest", [&] { open(); });
  test::write_text(store_.path() / "index.json", "no JSON");
  expect_error(ErrorCode::kCorrupt, "index.json: parse: not valid JSON", [&] { open(); });
  std::filesystem::remove(store_.path() / "index.json");
  expect_error(ErrorCode::kCorrupt, "index.json", [&] { open(); });
  test::write_text(store_.path() / "oci-layout", "{}");
  expect_error(ErrorCode::kCorrupt, "oci-layout", [&] { open(); });
}

}  // namespace
}  // namespace ondemand::input
