// SPDX-License-Identifier: Apache-2.0
#include "transport/file_target.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "support/temporary_directory.h"
#include "transport/in_use.h"
#include "transport/watch_registry.h"
#include "util/error.h"

namespace ondemand::transport {
namespace {

using util::ByteRange;

class FileTargetTest : public ::testing::Test {
 protected:
  FileTargetTest() {
    std::filesystem::create_directories(path_.parent_path());
    file_ = util::open_file(path_, O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(::ftruncate(file_.get(), 64 * 1024), 0);
  }
  FileTarget target() { return FileTarget(util::open_file(path_, O_RDONLY), "file"); }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "cache" / "volume" / "file";
  util::Fd file_;
};

TEST_F(FileTargetTest, TellsHolesFromData) {
  FileTarget file = target();
  file.offer_event_fd(file_.get());
  EXPECT_EQ(file.missing({0, 65536}), (std::vector<ByteRange>{{0, 65536}}));
  file.write(4096, util::Buffer(8192, 0));  // zeros count as data
  EXPECT_EQ(file.missing({0, 65536}), (std::vector<ByteRange>{{0, 4096}, {12288, 53248}}));
  EXPECT_TRUE(file.missing({4096, 8192}).empty());
  EXPECT_FALSE(file.is_complete());
  file.write(0, util::Buffer(65536, 1));
  EXPECT_TRUE(file.is_complete());
  EXPECT_TRUE(file.is_complete());
}

TEST_F(FileTargetTest, DoesNotWriteWithoutAnEventsDescriptor) {
  FileTarget file = target();
  EXPECT_THROW(file.write(0, util::Buffer(4096)), util::Error);
  EXPECT_EQ(file.missing({0, 4096}).size(), 1U);
}

TEST_F(FileTargetTest, ReportsAWriteThatFails) {
  FileTarget file = target();
  const util::Fd read_only = util::open_file(path_, O_RDONLY);
  file.offer_event_fd(read_only.get());
  EXPECT_THROW(file.write(0, util::Buffer(4096)), util::Error);
  EXPECT_EQ(file.missing({0, 65536}), (std::vector<ByteRange>{{0, 65536}}));
}

TEST_F(FileTargetTest, RegistryKnowsAFileByItsInodeWhateverItsName) {
  WatchRegistry registry;
  const WatchedFileRef added = registry.add({path_, hash::Digest{}, nullptr});
  std::filesystem::rename(path_, directory_.path() / "other");
  EXPECT_EQ(registry.find(key_of(file_.get(), "file")), added);
  EXPECT_EQ(registry.add({directory_.path() / "other", hash::Digest{}, nullptr}), added);
  EXPECT_EQ(registry.find({1, 2}), nullptr);
}

TEST_F(FileTargetTest, RegistryRefusesWhatIsNoBackingFile) {
  WatchRegistry registry;
  EXPECT_THROW(registry.add({directory_.path(), hash::Digest{}, nullptr}), util::Error);
  EXPECT_THROW(registry.add({directory_.path() / "absent", hash::Digest{}, nullptr}), util::Error);
  blob::ChunkIndex index;
  index.append(4096, 4096, hash::Digest{});
  const serve::BlobRef blob = serve::make_blob(hash::Digest{}, 4096, index);
  EXPECT_THROW(registry.add({path_, hash::Digest{}, blob}), util::Error);  // 64 KiB on disk
  EXPECT_TRUE(registry.all().empty());
}

TEST_F(FileTargetTest, AFileIsInUseWhileSomebodyElseHasItOpenAndItHasHoles) {
  EXPECT_EQ(incomplete_files(directory_.path()), (std::vector<std::filesystem::path>{path_}));
  EXPECT_EQ(files_in_use({path_}).size(), 1U);
  file_.reset();
  EXPECT_TRUE(files_in_use({path_}).empty());
  EXPECT_TRUE(files_in_use({directory_.path() / "absent"}).empty());
  util::pwrite_full(util::open_file(path_, O_RDWR).get(), util::Buffer(65536, 1), 0, "file");
  EXPECT_TRUE(incomplete_files(directory_.path()).empty());
  EXPECT_TRUE(incomplete_files(directory_.path() / "absent").empty());
}

}  // namespace
}  // namespace ondemand::transport
