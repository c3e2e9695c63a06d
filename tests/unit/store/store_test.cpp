// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "unit/store/store_support.h"

namespace ondemand::store {
namespace {

namespace fs = std::filesystem;
using test::digest_of;
using test::expect_error;
using test::put_image;
using util::ErrorCode;

class StoreTest : public ::testing::Test {
 protected:
  fs::path path() const { return directory_.path() / "store"; }
  Store make() const { return Store::create_or_open(path(), util::Durability::kNoSync); }
  std::string index() const { return util::read_text_file(path() / "index.json", 1 << 20); }
  std::size_t count(const fs::path& folder) const {
    std::size_t out = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder))
      ++out;
    return out;
  }
  test::TemporaryDirectory directory_;
};

TEST_F(StoreTest, ANewStoreIsAnImageLayout) {
  {
    const Store store = Store::create_or_open(path(), util::Durability::kSync);
    EXPECT_TRUE(store.list().empty());
  }
  EXPECT_EQ(util::read_text_file(path() / "oci-layout", 100), R"({"imageLayoutVersion":"1.0.0"})");
  EXPECT_TRUE(fs::is_directory(path() / "blobs/sha256"));
  EXPECT_FALSE(fs::exists(path() / ".tmp"));
  EXPECT_TRUE(Store::open(path()).list().empty());
}

// A web server may read the images that it could read, whatever the umask of the next run is.
TEST_F(StoreTest, ReplacedFilesKeepOwnerAndMode) {
  constexpr uid_t kOther = 65534;
  const bool is_root = ::geteuid() == 0;
  const auto access_of = [](const fs::path& file) {
    struct stat status {};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    return std::pair(status.st_uid, status.st_mode & 07777U);
  };
  fs::path object;
  {
    Store store = make();
    object = store.blob_path(put_image(store, "one").digest);
    for (const fs::path& file : {path() / "index.json", object}) {
      ASSERT_EQ(::chmod(file.c_str(), 0664), 0);
      ASSERT_EQ(::chown(file.c_str(), is_root ? kOther : ::geteuid(), ::getegid()), 0);
    }
  }
  const mode_t before = ::umask(077);
  {
    Store store = Store::create_or_open(path(), util::Durability::kSync);
    EXPECT_TRUE(store.add_image(put_image(store, "one"), "app").changed);
    const auto added = store.put_bytes(util::as_bytes("new"), "a/b");
    EXPECT_EQ(access_of(store.blob_path(added.digest)), std::pair(::geteuid(), mode_t{0600}));
  }
  ::umask(before);
  const auto want = std::pair(is_root ? kOther : ::geteuid(), mode_t{0664});
  EXPECT_EQ(access_of(path() / "index.json"), want);
  EXPECT_EQ(access_of(object), want);
  ASSERT_EQ(::chmod(object.c_str(), 0), 0);
  Store store = Store::create_or_open(path(), util::Durability::kSync);
  put_image(store, "one");
  EXPECT_EQ(access_of(object), std::pair(want.first, mode_t{0400}));
}

TEST_F(StoreTest, BlobsAppearUnderTheirDigestOnce) {
  Store store = make();
  const auto first = store.put_bytes(util::as_bytes("hello"), "a/b");
  store.put_bytes(util::as_bytes("hello"), "a/b");
  const auto blobs = store.blob_path(first.digest).parent_path();
  EXPECT_EQ(std::distance(fs::directory_iterator(blobs), {}), 1);
  EXPECT_EQ(first.size, 5U);
  EXPECT_EQ(store.open_blob(first.digest).size, 5U);
  EXPECT_EQ(store.read_small_blob(first.digest, 5), "hello");
  expect_error(ErrorCode::kTooLarge, "more than 4",
               [&] { store.read_small_blob(first.digest, 4); });
  expect_error(ErrorCode::kNotFound, "not in the store", [&] { store.open_blob(digest_of("no")); });
}

TEST_F(StoreTest, ADamagedObjectOfTheRightSizeIsMended) {
  Store store = make();
  const auto blob = store.put_bytes(util::as_bytes("hello"), "");
  util::write_file_atomically(store.blob_path(blob.digest), util::as_bytes("jello"),
                              util::Durability::kNoSync);
  store.put_bytes(util::as_bytes("hello"), "");
  EXPECT_EQ(store.read_small_blob(blob.digest, 100), "hello");
}

TEST_F(StoreTest, AnObjectCutShortIsReplaced) {
  Store store = make();
  const auto blob = store.put_bytes(util::as_bytes("hello"), "");
  fs::resize_file(store.blob_path(blob.digest), 2);
  expect_error(ErrorCode::kDigestMismatch, "other bytes",
               [&] { store.read_small_blob(blob.digest, 100); });
  store.put_bytes(util::as_bytes("hello"), "");
  EXPECT_EQ(store.read_small_blob(blob.digest, 100), "hello");
}

TEST_F(StoreTest, WhatIsNotCommittedLeavesNothing) {
  Store store = make();
  {
    StagedBlob blob = store.stage();
    blob.write(util::as_bytes("half"));
    StagedBlob moved = std::move(blob);
    moved.write(util::as_bytes("more"));
  }
  EXPECT_EQ(count(path() / "blobs/sha256"), 0U);
}

TEST_F(StoreTest, AStagedBlobOutlivesItsStore) {
  auto store = std::make_unique<Store>(make());
  StagedBlob blob = store->stage();
  store.reset();
  blob.write(util::as_bytes("late"));
  blob.commit(digest_of("late"));
  EXPECT_TRUE(Store::open(path()).has_blob(digest_of("late")));
}

TEST_F(StoreTest, AddingAnImageAgainChangesNothing) {
  Store store = make();
  const auto image = put_image(store, "one");
  EXPECT_TRUE(store.add_image(image, "app:v1").changed);
  const std::string before = index();
  const AddResult again = store.add_image(image, "app:v1");
  EXPECT_FALSE(again.changed);
  EXPECT_FALSE(again.moved_from);
  EXPECT_EQ(index(), before);
}

TEST_F(StoreTest, AMovedNameLeavesTheOldImageReachableByDigest) {
  Store store = make();
  const auto one = put_image(store, "one");
  const auto two = put_image(store, "two");
  store.add_image(one, "v1");
  const AddResult moved = store.add_image(two, "v1");
  EXPECT_EQ(moved.moved_from, one.digest);
  EXPECT_EQ(store.resolve("v1")->digest, two.digest);
  EXPECT_EQ(store.resolve(one.digest.to_string())->digest, one.digest);
}

TEST_F(StoreTest, AnIncompleteImageIsNotAdded) {
  Store store = make();
  const auto image = put_image(store, "one");
  fs::remove(store.blob_path(digest_of("one")));
  expect_error(ErrorCode::kNotFound, digest_of("one").to_string(),
               [&] { store.add_image(image, "v1"); });
  auto other = put_image(store, "two");
  other.size += 1;
  expect_error(ErrorCode::kCorrupt, "bytes, not", [&] { store.add_image(other, "v1"); });
  EXPECT_TRUE(store.list().empty());
}

TEST_F(StoreTest, IllegalNamesAreRefused) {
  Store store = make();
  const auto image = put_image(store, "one");
  expect_error(ErrorCode::kUsage, "a b", [&] { store.add_image(image, "a b"); });
}

TEST_F(StoreTest, OtherDirectoriesAreLeftAlone) {
  fs::create_directory(path());
  util::write_file_atomically(path() / "letter.txt", util::as_bytes("x"),
                              util::Durability::kNoSync);
  expect_error(ErrorCode::kUnsupported, "not an OCI image layout", [&] { make(); });
  expect_error(ErrorCode::kUnsupported, "not an OCI image layout", [&] { Store::open(path()); });
  EXPECT_EQ(count(path()), 1U);
  expect_error(ErrorCode::kNotFound, "open store", [&] { Store::open(path() / "absent"); });
  expect_error(ErrorCode::kUnsupported, "not a directory",
               [&] { Store::open(path() / "letter.txt"); });
  expect_error(ErrorCode::kIo, "letter.txt", [&] { Store::create_or_open(path() / "letter.txt"); });
}

TEST_F(StoreTest, DamagedLayoutsAreTold) {
  make();
  const auto put = [&](const char* file, std::string_view text) {
    util::write_file_atomically(path() / file, util::as_bytes(text), util::Durability::kNoSync);
  };
  put("index.json", "{");
  expect_error(ErrorCode::kCorrupt, "index.json: parse", [&] { make(); });
  expect_error(ErrorCode::kCorrupt, "index.json: parse", [&] { Store::open(path()); });
  put("index.json", R"({"schemaVersion":2,"manifests":[]})");
  put("oci-layout", "[]");
  expect_error(ErrorCode::kCorrupt, "oci-layout: parse", [&] { Store::open(path()); });
  put("oci-layout", R"({"imageLayoutVersion":"9.0"})");
  expect_error(ErrorCode::kUnsupported, "9.0", [&] { make(); });
  put("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  put("blobs/sha256/x", "");
  fs::remove(path() / "index.json");
  expect_error(ErrorCode::kCorrupt, "index.json is missing", [&] { make(); });
  expect_error(ErrorCode::kCorrupt, "index.json is missing", [&] { Store::open(path()); });
}

TEST_F(StoreTest, AnInterruptedCreationIsCompleted) {
  fs::create_directories(path() / ".tmp" / "1-0");
  util::write_file_atomically(path() / ".lock", {}, util::Durability::kNoSync);
  EXPECT_TRUE(make().list().empty());
  fs::remove(path() / "index.json");  // stopped before the index
  EXPECT_TRUE(make().list().empty());
}

TEST_F(StoreTest, ARunThatWasKilledIsCleanedUpAndALivingOneIsNot) {
  Store living = make();
  StagedBlob blob = living.stage();
  blob.write(util::as_bytes("alive"));
  const pid_t child = ::fork();
  if (child == 0) {
    Store store = Store::create_or_open(path(), util::Durability::kNoSync);
    StagedBlob lost = store.stage();
    lost.write(util::as_bytes("lost"));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(count(path() / ".tmp"), 2U);
  const Store next = make();
  EXPECT_EQ(count(path() / ".tmp"), 2U);  // the living one and the new one
  blob.commit(digest_of("alive"));
  EXPECT_EQ(next.read_small_blob(digest_of("alive"), 100), "alive");
}

TEST_F(StoreTest, ManyRunsMayAddAtTheSameTime) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int k = 0; k < 5; ++k) {
        Store store = make();
        const std::string name = "v" + std::to_string(i) + "-" + std::to_string(k);
        store.add_image(put_image(store, "content " + std::to_string(k)), name);
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  const Store store = Store::open(path());
  EXPECT_EQ(store.list().size(), 20U);
  for (int k = 0; k < 5; ++k)
    EXPECT_EQ(store.resolve("v0-" + std::to_string(k))->digest,
              store.resolve("v3-" + std::to_string(k))->digest);
}

TEST_F(StoreTest, AFullDiskIsOneClearErrorAndLeavesNothing) {
  // A limit on the size of files stands in for the full disk: write(2) fails in the same place.
  Store store = make();
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit { 10, 10 };
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int result = 1;
    try {
      store.put_bytes(util::as_bytes("more than ten bytes"), "");
    } catch (const util::Error& error) {
      result = error.code() == ErrorCode::kIo && error.errno_value() == EFBIG &&
                       error.message().find("store: write") != std::string::npos
                   ? 0
                   : 2;
    }
    ::_exit(result);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(count(path() / "blobs/sha256"), 0U);
}

}  // namespace
}  // namespace ondemand::store
