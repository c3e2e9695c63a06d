// SPDX-License-Identifier: Apache-2.0
#include "image/image_objects.h"

#include <gtest/gtest.h>

#include "hash/sha256.h"
#include "oci/erofs_image.h"

namespace ondemand::image {
namespace {

blob::BlobResult compressed_blob() {
  blob::BlobResult result;
  result.digest = hash::sha256(util::as_bytes("stored"));
  result.uncompressed_digest = hash::sha256(util::as_bytes("view"));
  result.stored_size = 100;
  result.nblocks = 2;
  result.index.set_form(blob::StoredForm::kZstd);
  result.index.append(100, 8192, hash::sha256(util::as_bytes("frame")));
  return result;
}

BootstrapObject bootstrap_object() {
  BootstrapObject object;
  object.digest = hash::sha256(util::as_bytes("bootstrap stored"));
  object.uncompressed_digest = hash::sha256(util::as_bytes("bootstrap"));
  object.stored_size = 10;
  object.size = 4096;
  object.is_compressed = true;
  return object;
}

TEST(ImageObjects, TheManifestMeansWhatWasBuilt) {
  const std::vector<BlobObject> objects{{compressed_blob(), false}};
  const util::Buffer index = objects[0].result.index.encode();
  const std::vector<BlobLayers> layers{describe_blob(objects[0].result, index)};
  Provenance provenance;
  provenance.tool = "tool 1";
  const oci::Manifest manifest =
      make_manifest({}, layers, describe_bootstrap(bootstrap_object()), provenance);
  const oci::ErofsImage image = oci::interpret_manifest(manifest, "manifest");
  EXPECT_EQ(image.bootstrap.digest, bootstrap_object().digest);
  EXPECT_EQ(image.bootstrap_uncompressed_digest, bootstrap_object().uncompressed_digest);
  ASSERT_EQ(image.devices.size(), 1U);
  EXPECT_EQ(image.devices[0].descriptor.digest, objects[0].result.digest);
  EXPECT_EQ(image.devices[0].framing, oci::Framing::kZstd);
  EXPECT_EQ(image.devices[0].uncompressed_digest, objects[0].result.uncompressed_digest);
  ASSERT_TRUE(image.devices[0].standalone_index);
  EXPECT_EQ(image.devices[0].standalone_index->digest, hash::sha256(index));
}

TEST(ImageObjects, EveryLayerHasItsDiffId) {
  const std::vector<BlobObject> objects{{compressed_blob(), false}};
  const util::Buffer index = objects[0].result.index.encode();
  const std::vector<BlobLayers> layers{describe_blob(objects[0].result, index)};
  const std::vector<hash::Digest> expected{objects[0].result.uncompressed_digest,
                                           hash::sha256(index),
                                           bootstrap_object().uncompressed_digest};
  EXPECT_EQ(diff_ids(layers, objects, bootstrap_object()), expected);
}

}  // namespace
}  // namespace ondemand::image
