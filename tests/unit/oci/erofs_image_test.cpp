// SPDX-License-Identifier: Apache-2.0
#include "oci/erofs_image.h"

#include <gtest/gtest.h>

#include "format/image_spec.h"
#include "unit/oci/expect_error.h"

namespace ondemand::oci {
namespace {

using test::digest_of;
using test::expect_error;
using util::ErrorCode;

Descriptor layer(std::string_view content, std::string_view media_type,
                 Annotations annotations = {}) {
  Descriptor out;
  out.media_type = media_type;
  out.digest = digest_of(content);
  out.size = 10'000;
  out.annotations = std::move(annotations);
  return out;
}

Descriptor device(std::string_view content, Annotations more = {}) {
  more.emplace(format::kAnnotationRole, format::kRoleDevice);
  return layer(content, format::kMediaOctetStreamZstd, std::move(more));
}

Descriptor index_of(std::string_view target) {
  return layer(std::string(target) + " index", format::kMediaChunkIndex,
               {{std::string(format::kAnnotationIndexTarget), digest_of(target).to_string()}});
}

Descriptor bootstrap() {
  return layer("boot", format::kMediaErofs);
}

ErofsImage interpret(std::vector<Descriptor> layers) {
  Manifest manifest;
  manifest.layers = std::move(layers);
  return interpret_manifest(manifest, "m");
}

TEST(ErofsImage, DevicesComeInOrderEachWithTheIndexBehindIt) {
  const ErofsImage image =
      interpret({device("a"), index_of("a"), device("b"), device("c"), index_of("c"), bootstrap()});
  ASSERT_EQ(image.devices.size(), 3U);
  EXPECT_EQ(image.devices[0].descriptor.digest, digest_of("a"));
  ASSERT_TRUE(image.devices[0].standalone_index);
  EXPECT_EQ(image.devices[0].standalone_index->digest, digest_of("a index"));
  EXPECT_FALSE(image.devices[1].standalone_index);
  EXPECT_TRUE(image.devices[2].standalone_index);
  EXPECT_EQ(image.devices[0].framing, Framing::kZstd);
  EXPECT_EQ(image.bootstrap.digest, digest_of("boot"));
  EXPECT_EQ(image.bootstrap_framing, Framing::kRaw);
}

TEST(ErofsImage, OneLayerAloneIsTheWholeImage) {
  const ErofsImage image = interpret(
      {layer("boot", format::kMediaErofsZstd,
             {{std::string(format::kAnnotationUncompressedDigest), digest_of("u").to_string()},
              {std::string(format::kAnnotationIndexRange), "4096"},
              {std::string(format::kAnnotationIndexDigest), digest_of("i").to_string()}})});
  EXPECT_TRUE(image.devices.empty());
  EXPECT_EQ(image.bootstrap_framing, Framing::kZstd);
  EXPECT_EQ(image.bootstrap_uncompressed_digest, digest_of("u"));
  ASSERT_TRUE(image.bootstrap_index);
  EXPECT_EQ(image.bootstrap_index->range, (util::ByteRange{4096, 0}));
  EXPECT_EQ(image.bootstrap_index->payload_digest, digest_of("i"));
}

TEST(ErofsImage, AnEmbeddedIndexHasARangeOfItsBlob) {
  const std::string key(format::kAnnotationIndexRange);
  const auto range = [&](const char* text) {
    return interpret({device("a", {{key, text}}), bootstrap()}).devices[0].embedded_index;
  };
  EXPECT_EQ(range("0:10000")->range, (util::ByteRange{0, 10'000}));
  EXPECT_EQ(range("9999")->range, (util::ByteRange{9999, 0}));
  for (const char* bad : {"x", ":", "1:", "10:10", "10:9", "0:10001", "10000", "-1:5", "1:2:3",
                          " 1", "99999999999999999999"})
    expect_error(ErrorCode::kCorrupt, "chunk index range", [&] { range(bad); });
}

TEST(ErofsImage, AnIndexFormatThatIsNotKnownIsPassedOver) {
  EXPECT_FALSE(interpret({device("a", {{std::string(format::kAnnotationIndexRange), "1"},
                                       {std::string(format::kAnnotationIndexMediaType), "other"}}),
                          bootstrap()})
                   .devices[0]
                   .embedded_index);
  const Descriptor future = layer("f", "application/vnd.erofs.chunk-index.v2");
  EXPECT_FALSE(interpret({device("a"), future, bootstrap()}).devices[0].standalone_index);
}

TEST(ErofsImage, UnknownAnnotationsAreNoError) {
  EXPECT_EQ(interpret({device("a", {{"org.erofs.future", "?"}}), bootstrap()}).devices.size(), 1U);
}

TEST(ErofsImage, AnyUncompressedTypeMayBeADevice) {
  const Annotations role{{std::string(format::kAnnotationRole), std::string(format::kRoleDevice)}};
  EXPECT_EQ(
      interpret({layer("t", format::kMediaOciLayerTar, role), bootstrap()}).devices[0].framing,
      Framing::kRaw);
  expect_error(ErrorCode::kUnsupported, "other than zstd", [&] {
    interpret({layer("t", format::kMediaOciLayerGzip, role), bootstrap()});
  });
  expect_error(ErrorCode::kUnsupported, "other than zstd", [&] {
    interpret({layer("t", format::kMediaDockerLayerGzip, role), bootstrap()});
  });
}

TEST(ErofsImage, BrokenOrderIsCorrupt) {
  expect_error(ErrorCode::kCorrupt, "no mountable", [] { interpret({device("a")}); });
  expect_error(ErrorCode::kCorrupt, "no mountable", [] {
    interpret({device("a"), index_of("a")});
  });
  expect_error(ErrorCode::kCorrupt, "before any layer", [] {
    interpret({index_of("a"), device("a"), bootstrap()});
  });
  expect_error(ErrorCode::kCorrupt, "of a chunk index", [] {
    interpret({device("a"), index_of("a"), index_of("a"), bootstrap()});
  });
  expect_error(ErrorCode::kCorrupt, "not the layer before it", [] {
    interpret({device("a"), index_of("b"), bootstrap()});
  });
}

TEST(ErofsImage, BadDigestsInAnnotationsAreCorrupt) {
  expect_error(ErrorCode::kCorrupt, "no sha256 digest", [] {
    interpret({device("a", {{std::string(format::kAnnotationUncompressedDigest), "sha256:1"}}),
               bootstrap()});
  });
}

TEST(ErofsImage, SaysWhatItDoesNotServe) {
  expect_error(ErrorCode::kUnsupported, "no layers", [] { interpret({}); });
  expect_error(ErrorCode::kUnsupported, "ordinary tar image",
               [] { interpret({layer("t", format::kMediaOciLayerGzip)}); });
  expect_error(ErrorCode::kUnsupported, "beside EROFS", [] {
    interpret({layer("t", format::kMediaOciLayerGzip), bootstrap()});
  });
  expect_error(ErrorCode::kUnsupported, "several EROFS layers", [] {
    interpret({bootstrap(), bootstrap()});
  });
  expect_error(ErrorCode::kUnsupported, "overlay-data", [] {
    interpret({layer("o", format::kMediaErofs, {{"org.erofs.role", "overlay-data"}}), bootstrap()});
  });
  expect_error(ErrorCode::kUnsupported, "unknown role", [] {
    interpret({layer("o", format::kMediaErofs, {{"org.erofs.role", "new\n"}}), bootstrap()});
  });
  expect_error(ErrorCode::kUnsupported, "unknown type", [] {
    interpret({layer("o", "application/x"), bootstrap()});
  });
}

}  // namespace
}  // namespace ondemand::oci
