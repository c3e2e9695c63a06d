// SPDX-License-Identifier: Apache-2.0
#include "cache/cache_root.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "cache/image_record.h"
#include "unit/cache/image_source.h"
#include "util/error.h"

namespace ondemand::cache {
namespace {

TEST(EscapeName, KeepsOrdinaryNamesAndEscapesTheRest) {
  EXPECT_EQ(escape_name("app:1.2-a_b@x"), "app:1.2-a_b@x");
  EXPECT_EQ(escape_name("library/debian:12"), "library%2fdebian:12");
  EXPECT_EQ(escape_name("../../etc"), "%2e.%2f..%2fetc");
  EXPECT_EQ(escape_name("a%b c\n"), "a%25b%20c%0a");
}

TEST(EscapeName, ComesBackFromEveryByte) {
  std::string all;
  for (int c = 1; c < 80; ++c)
    all += static_cast<char>(c * 3);
  EXPECT_EQ(unescape_name(escape_name(all)), all);
}

TEST(EscapeName, RefusesWhatFitsNoFileName) {
  EXPECT_THROW(escape_name(""), util::Error);
  EXPECT_THROW(escape_name(std::string(256, 'a')), util::Error);
  EXPECT_THROW(escape_name(std::string(90, '/')), util::Error);
}

TEST(UnescapeName, RefusesWhatIsNotOfThisForm) {
  for (const char* name : {"", ".tmp-abc", "a%2", "a%zz", "%41", "a b", "%2F"})
    EXPECT_EQ(unescape_name(name), std::nullopt) << name;
}

class Root : public testing::Test {
 protected:
  test::TemporaryDirectory directory_;
  CacheRoot root_{directory_.path() / "a" / "b"};
};

TEST_F(Root, MissingCacheHoldsNothing) {
  EXPECT_TRUE(root_.list_images().empty());
  EXPECT_TRUE(root_.list_names().empty());
  EXPECT_FALSE(root_.resolve("x"));
  EXPECT_FALSE(root_.resolve(""));
}

TEST_F(Root, SkeletonIsPrivate) {
  root_.create();
  for (const auto& path : {root_.path(), root_.images_directory(), root_.temporary_directory()})
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
}

TEST_F(Root, WhatIsNoDirectoryInItIsRefusedByName) {
  std::filesystem::create_directory(directory_.path() / "real");
  std::filesystem::create_directory_symlink(directory_.path() / "real", directory_.path() / "root");
  const CacheRoot linked(directory_.path() / "root");
  linked.create();  // the root itself may be a link
  const auto graveyard = directory_.path() / "real" / "graveyard";
  std::filesystem::remove(graveyard);
  std::filesystem::create_directory_symlink(directory_.path(), graveyard);
  try {
    linked.create();
    FAIL() << "no error";
  } catch (const util::Error& error) {
    EXPECT_THAT(error.message(), testing::HasSubstr("graveyard: create directory: something else"));
  }
}

TEST_F(Root, DomainThatNoVolumeCanHaveIsRefused) {
  EXPECT_THROW(CacheRoot(directory_.path(), "a/b"), util::Error);
  EXPECT_THROW(CacheRoot(directory_.path(), std::string(250, 'a')), util::Error);
}

TEST_F(Root, ImageThatIsNotPreparedIsNotFound) {
  root_.create();
  try {
    root_.open_image(hash::sha256({}));
    ADD_FAILURE();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kNotFound);
  }
}

TEST_F(Root, ChangedManifestIsNotUsed) {
  root_.create();
  const hash::Digest digest = hash::sha256({});
  std::ofstream(root_.manifest_file(digest)) << "{}";
  try {
    root_.open_image(digest);
    ADD_FAILURE();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kDigestMismatch);
  }
}

TEST_F(Root, NameFileWithoutDigestIsCorruptAndNameWithoutImageIsAbsent) {
  root_.create();
  std::ofstream(root_.name_file("bad")) << "what?";
  EXPECT_THROW(root_.resolve("bad"), util::Error);
  std::ofstream(root_.name_file("dangling")) << hash::sha256({}).to_string() << '\n';
  EXPECT_EQ(root_.resolve("dangling"), std::nullopt);
}

TEST_F(Root, ForeignFilesAmongTheManifestsAreLeftOut) {
  root_.create();
  std::ofstream(root_.images_directory() / "README") << "x";
  std::ofstream(root_.manifest_file(hash::sha256({}))) << "x";
  EXPECT_EQ(root_.list_images(), std::vector<hash::Digest>{hash::sha256({})});
}

}  // namespace
}  // namespace ondemand::cache
