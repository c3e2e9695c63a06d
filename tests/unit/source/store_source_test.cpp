// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>

#include "unit/source/source_support.h"

namespace ondemand::source {
namespace {

TEST(StoreSource, KeepsEveryPromiseOfASource) {
  const test::SampleStore sample;
  const auto source = open_store_source(sample.path());
  EXPECT_EQ(source->name(), sample.path());
  test::expect_serves_sample(*source, sample, "demo:1");
}

TEST(StoreSource, RefusesADirectoryThatIsNoStore) {
  const test::TemporaryDirectory directory;
  EXPECT_THROW(open_store_source(directory.path()), util::Error);
  EXPECT_THROW(open_store_source(directory.path() / "missing"), util::Error);
}

TEST(StoreSource, FindsADamagedManifest) {
  const test::SampleStore sample;
  const auto path = sample.store.blob_path(sample.manifest.digest);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  std::fstream(path, std::ios::in | std::ios::out) << '!';
  const auto source = open_store_source(sample.path());
  try {
    source->find_manifest("demo:1", test::in_a_minute());
    FAIL();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kDigestMismatch);
  }
}

}  // namespace
}  // namespace ondemand::source
