// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "oci/reference.h"
#include "unit/store/store_support.h"

namespace ondemand::store {
namespace {

using test::digest_of;
using test::expect_error;
using test::put_image;
using util::ErrorCode;

class ResolveTest : public ::testing::Test {
 protected:
  // Makes the index.json of the store hold one index under the name "multi".
  oci::Descriptor put_index(std::vector<oci::Descriptor> manifests) {
    oci::Index index;
    index.manifests = std::move(manifests);
    oci::Descriptor nested =
        store_.put_bytes(util::as_bytes(oci::to_json(index)), format::kMediaOciIndex);
    nested.annotations[std::string(format::kAnnotationRefName)] = "multi";
    oci::Index top;
    top.manifests = {nested};
    util::write_file_atomically(store_.path() / "index.json", util::as_bytes(oci::to_json(top)),
                                util::Durability::kNoSync);
    return nested;
  }
  oci::Descriptor put(std::string_view content, std::string_view platform, bool erofs) {
    oci::Platform value = oci::parse_platform(platform);
    oci::Descriptor out = put_image(store_, content, value);
    if (erofs) value.os_features = {"erofs"};
    out.platform = value;
    return out;
  }
  test::TemporaryDirectory directory_;
  Store store_ = Store::create_or_open(directory_.path(), util::Durability::kNoSync);
  const std::string host_ = oci::to_string(oci::host_platform());
};

TEST_F(ResolveTest, NoSuchNameIsNoError) {
  EXPECT_FALSE(store_.resolve("absent"));
  EXPECT_FALSE(store_.resolve(digest_of("absent").to_string()));
}

TEST_F(ResolveTest, AnIndexLeadsToItsErofsImage) {
  const auto tar = put("tar", host_, false);
  const auto erofs = put("erofs", host_, true);
  const auto index = put_index({tar, erofs});
  EXPECT_EQ(store_.resolve("multi")->digest, erofs.digest);
  EXPECT_EQ(store_.resolve(index.digest.to_string())->digest, erofs.digest);
  EXPECT_EQ(store_.resolve(tar.digest.to_string())->digest, tar.digest);
}

TEST_F(ResolveTest, OfSeveralPlatformsThisMachinesIsTaken) {
  const auto here = put("here", host_, true);
  put_index({put("there", "linux/mips", true), here});
  EXPECT_EQ(store_.resolve("multi")->digest, here.digest);
}

TEST_F(ResolveTest, AChoiceThatIsLeftIsAnErrorWithTheList) {
  put_index({put("a", "linux/mips", true), put("b", "linux/sparc", true)});
  expect_error(ErrorCode::kUnsupported, "linux/sparc", [&] { store_.resolve("multi"); });
}

TEST_F(ResolveTest, EntriesWithoutPlatformAreLookedInto) {
  auto here = put("here", host_, true);
  auto there = put("there", "linux/mips", true);
  here.platform.reset();
  there.platform.reset();
  put_index({there, here});
  EXPECT_EQ(store_.resolve("multi")->digest, here.digest);
}

TEST_F(ResolveTest, AnIndexThatIsMissingLeadsToNoImage) {
  const auto index = put_index({put("a", host_, true)});
  std::filesystem::remove(store_.blob_path(index.digest));
  expect_error(ErrorCode::kCorrupt, "leads to no image", [&] { store_.resolve("multi"); });
}

}  // namespace
}  // namespace ondemand::store
