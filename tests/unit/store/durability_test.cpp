// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "unit/store/store_support.h"

namespace {
std::set<std::pair<dev_t, ino_t>>* g_synced = nullptr;
}

// In the place of the C library's: notes what is brought to the disk, and does it.
extern "C" int fsync(int fd) {
  struct stat status {};
  if (g_synced != nullptr && ::fstat(fd, &status) == 0)
    g_synced->insert({status.st_dev, status.st_ino});
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace ondemand::store {
namespace {

namespace fs = std::filesystem;
using test::put_image;
using util::Durability;

class DurabilityTest : public ::testing::Test {
 protected:
  DurabilityTest() { g_synced = &synced_; }
  ~DurabilityTest() override { g_synced = nullptr; }
  static std::pair<dev_t, ino_t> identity(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return {status.st_dev, status.st_ino};
  }
  bool is_synced(const fs::path& path) const { return synced_.count(identity(path)) != 0; }
  fs::path path() const { return directory_.path() / "a" / "b" / "store"; }
  Store open(Durability durability) const { return Store::create_or_open(path(), durability); }

  std::set<std::pair<dev_t, ino_t>> synced_;
  test::TemporaryDirectory directory_;
};

TEST_F(DurabilityTest, WithoutSyncsAnEqualObjectIsKept) {
  const auto one = open(Durability::kSync).put_bytes(util::as_bytes("shared"), "");
  Store store = open(Durability::kNoSync);
  const auto before = identity(store.blob_path(one.digest));
  store.put_bytes(util::as_bytes("shared"), "");
  EXPECT_EQ(identity(store.blob_path(one.digest)), before);
  EXPECT_TRUE(is_synced(store.blob_path(one.digest)));
  const auto fresh = store.put_bytes(util::as_bytes("fresh"), "");
  EXPECT_FALSE(is_synced(store.blob_path(fresh.digest)));
}

TEST_F(DurabilityTest, WithoutSyncsAnEmptyObjectIsKeptToo) {
  const auto one = open(Durability::kSync).put_bytes({}, "");
  Store store = open(Durability::kNoSync);
  const auto before = identity(store.blob_path(one.digest));
  store.put_bytes({}, "");
  EXPECT_EQ(identity(store.blob_path(one.digest)), before);
}

TEST_F(DurabilityTest, WithoutSyncsADamagedObjectIsMendedOnTheDisk) {
  // Longer than one piece of the comparison, damaged in the last byte only.
  const std::string text(3 * util::kMiB + 1, 'x');
  const auto one = open(Durability::kSync).put_bytes(util::as_bytes(text), "");
  Store store = open(Durability::kNoSync);
  std::string damaged = text;
  damaged.back() = 'y';
  util::write_file_atomically(store.blob_path(one.digest), util::as_bytes(damaged),
                              Durability::kNoSync);
  ASSERT_FALSE(is_synced(store.blob_path(one.digest)));
  store.put_bytes(util::as_bytes(text), "");
  EXPECT_EQ(store.read_small_blob(one.digest, text.size()), text);
  EXPECT_TRUE(is_synced(store.blob_path(one.digest)));
}

TEST_F(DurabilityTest, WhatNamesImagesIsOnTheDiskWithoutSyncsToo) {
  Store store = open(Durability::kNoSync);
  EXPECT_TRUE(is_synced(path() / "oci-layout"));
  store.add_image(put_image(store, "one"), "one");
  EXPECT_TRUE(is_synced(path() / "index.json"));
}

TEST_F(DurabilityTest, TheDirectoriesAboveANewStoreAreOnTheDisk) {
  open(Durability::kNoSync);
  for (fs::path at = path().parent_path(); at != directory_.path().parent_path();
       at = at.parent_path())
    EXPECT_TRUE(is_synced(at)) << at;
  EXPECT_FALSE(is_synced(directory_.path().parent_path()));
}

TEST_F(DurabilityTest, AStoreMayBeNamedInOddWays) {
  for (const char* odd : {"one/", "two/./store", "three/../four//store/", "five/."}) {
    Store::create_or_open(directory_.path() / odd, Durability::kSync);
    EXPECT_TRUE(fs::exists(directory_.path() / odd / "index.json")) << odd;
    EXPECT_TRUE(is_synced(directory_.path()));
    synced_.clear();
  }
}

TEST_F(DurabilityTest, AnImageThatWasAddedWithoutSyncsBecomesDurable) {
  {
    Store store = open(Durability::kNoSync);
    store.add_image(put_image(store, "one"), "one");
  }
  synced_.clear();
  Store store = open(Durability::kSync);
  const auto image = put_image(store, "one");
  synced_.erase(identity(path()));
  EXPECT_FALSE(store.add_image(image, "one").changed);
  for (const auto& object : fs::directory_iterator(path() / "blobs" / "sha256"))
    EXPECT_TRUE(is_synced(object.path())) << object.path();
  EXPECT_TRUE(is_synced(path() / "blobs" / "sha256"));
  EXPECT_TRUE(is_synced(path()));
}

TEST_F(DurabilityTest, AnObjectOfAnotherRunCanBeMadeDurable) {
  const auto one = open(Durability::kNoSync).put_bytes(util::as_bytes("one"), "");
  const Store unsynced = open(Durability::kNoSync);
  unsynced.make_durable(one.digest);
  EXPECT_FALSE(is_synced(unsynced.blob_path(one.digest)));
  const Store store = open(Durability::kSync);
  store.make_durable(one.digest);
  EXPECT_TRUE(is_synced(store.blob_path(one.digest)));
}

}  // namespace
}  // namespace ondemand::store
