// SPDX-License-Identifier: Apache-2.0
//
// Which file a failed write is mended in.  With a disk that is full: failed_writes_test.cpp.
#include "transport/object_target.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cache/extents.h"
#include "support/scripted_device.h"
#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::transport {
namespace {

using Ranges = std::vector<util::ByteRange>;

// Its objects are opened for the first time: there is no file behind the descriptor yet.
class LookingUpDevice : public test::ScriptedDevice {
 public:
  std::int64_t seek_object(int fd, std::int64_t offset, int whence) override {
    if (is_looking_up_) return -ENOBUFS;
    return ScriptedDevice::seek_object(fd, offset, whence);
  }
  void look_up(bool value) { is_looking_up_ = value; }

 private:
  bool is_looking_up_ = false;
};

class ObjectTargetTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kSize = 65536;
  static constexpr util::ByteRange kRange{4096, 8192};

  util::Fd make_file(const std::filesystem::path& path) const {
    util::Fd file = util::open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    EXPECT_EQ(::ftruncate(file.get(), kSize), 0);
    return file;
  }
  // What a write leaves that fails between allocation and the disk.
  void leave_unwritten(const util::Fd& file) {
    if (::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, kRange.offset, kRange.len) != 0 ||
        cache::unwritten_ranges(file.get(), "file") != Ranges{kRange})
      has_unwritten_ = false;
  }
  OpenObjectRef attach(const util::Fd& file, bool is_first) {
    auto object = std::make_shared<OpenObject>(device_, file.get());
    device_.look_up(is_first);
    target_.attach(object);
    device_.look_up(false);
    return object;
  }
  void fail_a_write() {
    device_.fail_writes({ENOSPC});
    EXPECT_THROW(target_.write(kRange.offset, util::Buffer(kRange.len, 1)), util::Error);
  }
  // Else the range is missing until a write succeeds, whatever the file says.
  bool is_mended(const util::Fd& object) {
    util::pwrite_full(object.get(), util::Buffer(kRange.len, 1), kRange.offset, "object");
    return target_.missing(kRange).empty();
  }
  util::Fd lose_its_name() {
    std::filesystem::remove(path_);
    return make_file(path_);
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "file";
  LookingUpDevice device_;
  ObjectTarget target_{device_, "object", kSize, path_};
  bool has_unwritten_ = true;
};

TEST_F(ObjectTargetTest, TheFileThatTheKernelHasJustLookedUpIsMended) {
  const util::Fd object = make_file(path_);
  attach(object, true);
  leave_unwritten(object);
  fail_a_write();
  EXPECT_EQ(cache::unwritten_ranges(object.get(), "file"), Ranges{});
  EXPECT_TRUE(is_mended(object));
}

TEST_F(ObjectTargetTest, AFileThatGotTheNameLaterIsLeftAlone) {
  const util::Fd object = make_file(path_);
  attach(object, true);
  const util::Fd other = lose_its_name();
  leave_unwritten(other);
  fail_a_write();
  if (has_unwritten_) {
    EXPECT_EQ(cache::unwritten_ranges(other.get(), "file"), Ranges{kRange});
  }
  EXPECT_FALSE(is_mended(object));
  target_.write(kRange.offset, util::Buffer(kRange.len, 1));
  EXPECT_TRUE(is_mended(object));
}

TEST_F(ObjectTargetTest, AFileThatGotTheNameOfOneMadeWithoutItIsNotTheObjects) {
  const util::Fd object = make_file(directory_.path() / "unnamed");
  attach(object, true);
  const util::Fd other = make_file(path_);
  fail_a_write();
  EXPECT_FALSE(is_mended(object));
}

// As for the successor of a worker.
TEST_F(ObjectTargetTest, TheFileOfAnObjectInUseIsKnownByWhatTheWriteLeft) {
  const util::Fd object = make_file(path_);
  attach(object, false);
  leave_unwritten(object);
  if (!has_unwritten_) GTEST_SKIP() << "the file system does not tell unwritten extents";
  fail_a_write();
  EXPECT_EQ(cache::unwritten_ranges(object.get(), "file"), Ranges{});
  EXPECT_TRUE(is_mended(object));
}

TEST_F(ObjectTargetTest, ANewFileIsNotThatOfAnObjectInUse) {
  const util::Fd object = make_file(path_);
  const util::Fd other = lose_its_name();
  attach(object, false);
  leave_unwritten(object);
  fail_a_write();
  EXPECT_FALSE(is_mended(object));
}

TEST_F(ObjectTargetTest, AnObjectThatIsOpenedAgainKeepsItsFile) {
  const util::Fd object = make_file(path_);
  attach(object, true);
  attach(object, false);
  fail_a_write();
  EXPECT_TRUE(is_mended(object));
  const util::Fd other = lose_its_name();
  attach(object, false);
  fail_a_write();
  EXPECT_FALSE(is_mended(object));
}

TEST_F(ObjectTargetTest, AnOlderDescriptorTakesNoNewersPlace) {
  const util::Fd object = make_file(path_);
  const auto older = attach(object, true);
  const auto newer = attach(object, false);
  target_.attach(older);
  EXPECT_EQ(target_.object(), newer);
  target_.detach(older);
  EXPECT_EQ(target_.object(), newer);
  target_.detach(newer);
  EXPECT_EQ(target_.object(), nullptr);
}

}  // namespace
}  // namespace ondemand::transport
