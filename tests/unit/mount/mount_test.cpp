// SPDX-License-Identifier: Apache-2.0
//
// Real mounts of an image that mkfs.erofs made; skipped where this machine cannot.
#include "mount/mount.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "mount/mount_table.h"
#include "mount/probe.h"
#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::mount {
namespace {

std::string slurp(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Mount : public testing::Test {
 protected:
  std::filesystem::path at(const char* name) { return directory_.path() / name; }

  void SetUp() override {
    std::filesystem::create_directory(at("tree"));
    std::filesystem::create_directory(at("mnt"));
    std::string text;
    for (int i = 0; i < 30'000; ++i)
      text += std::to_string(i) + "\n";
    content_ = text;
    std::ofstream(at("tree") / "numbers") << text;
  }
  void TearDown() override {
    while (::umount2(at("mnt").c_str(), MNT_DETACH) == 0) {
    }
  }

  // Bootstrap and one blob; false when there is no mkfs.erofs.
  bool make_image() {
    const std::string command =
        "mkfs.erofs --quiet --chunksize=65536 --blobdev=" + at("blob").native() + " " +
        at("boot").native() + " " + at("tree").native() + " >/dev/null 2>&1";
    return std::system(command.c_str()) == 0;
  }
  MountRequest request() { return {at("boot"), {at("blob")}, at("mnt")}; }

  util::ErrorCode failure(const MountRequest& what) {
    try {
      mount_erofs(what);
    } catch (const util::Error& error) {
      message_ = error.message();
      return error.code();
    }
    ADD_FAILURE() << "mounted";
    return util::ErrorCode::kInternal;
  }

  test::TemporaryDirectory directory_;
  std::string content_;
  std::string message_;
};

#define SKIP_UNLESS_MOUNTABLE()                                    \
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";     \
  if (!has_erofs() || !has_file_backed_version())                  \
    GTEST_SKIP() << "this kernel has no file-backed EROFS mounts"; \
  if (!make_image()) GTEST_SKIP() << "mkfs.erofs is not installed"

TEST_F(Mount, BootstrapAndBlobBecomeOneReadOnlyTree) {
  SKIP_UNLESS_MOUNTABLE();
  mount_erofs(request());
  EXPECT_EQ(slurp(at("mnt") / "numbers"), content_);
  EXPECT_FALSE(std::ofstream(at("mnt") / "new").good());
  const auto found = erofs_mounts_below(list_mounts(), directory_.path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].mountpoint, at("mnt"));
  EXPECT_EQ(found[0].source, at("boot"));
  unmount(at("mnt"));
  EXPECT_TRUE(erofs_mounts_below(list_mounts(), directory_.path()).empty());
}

TEST_F(Mount, FlagsAreInTheTable) {
  SKIP_UNLESS_MOUNTABLE();
  MountRequest flags = request();
  flags.nodev = flags.nosuid = flags.noexec = true;
  mount_erofs(flags);
  const auto found = erofs_mounts_below(list_mounts(), directory_.path());
  ASSERT_EQ(found.size(), 1u);
  for (const char* option : {"ro", "nodev", "nosuid", "noexec"})
    EXPECT_NE(found[0].options.find(option), std::string::npos) << option;
  unmount(at("mnt"));
}

TEST_F(Mount, PathsLongerThanAParameterAreTakenForBlobs) {
  SKIP_UNLESS_MOUNTABLE();
  const auto deep = directory_.path() / std::string(200, 'd') / std::string(200, 'e');
  std::filesystem::create_directories(deep);
  std::filesystem::rename(at("blob"), deep / "blob");
  MountRequest far = request();
  far.devices = {deep / "blob"};
  mount_erofs(far);
  EXPECT_EQ(slurp(at("mnt") / "numbers"), content_);
  unmount(at("mnt"));
}

TEST_F(Mount, NamesThatFscacheCannotTakeNeverReachTheKernel) {
  const auto failure_of = [&](const FscacheRequest& what) {
    try {
      mount_fscache(what);
    } catch (const util::Error& error) {
      message_ = error.message();
      return error.code();
    }
    ADD_FAILURE() << "mounted";
    return util::ErrorCode::kInternal;
  };
  FscacheRequest fine;
  fine.fsid = "boot";
  fine.mountpoint = at("mnt");
  FscacheRequest bad = fine;
  bad.fsid.assign(253, 'k');
  EXPECT_EQ(failure_of(bad), util::ErrorCode::kTooLarge);
  bad.fsid.clear();
  EXPECT_EQ(failure_of(bad), util::ErrorCode::kUsage);
  bad = fine;
  bad.devices = {"blob", std::string(253, 'b')};
  EXPECT_EQ(failure_of(bad), util::ErrorCode::kTooLarge);
  bad.devices = {std::string("a\0b", 3)};
  EXPECT_EQ(failure_of(bad), util::ErrorCode::kUsage);
  bad = fine;
  bad.domain_id.assign(249, 'd');
  EXPECT_EQ(failure_of(bad), util::ErrorCode::kTooLarge);
  bad.domain_id = "a/b";
  EXPECT_EQ(failure_of(bad), util::ErrorCode::kUsage);
  bad = fine;
  bad.mountpoint = at("nowhere");
  EXPECT_EQ(failure_of(bad), util::ErrorCode::kNotFound);
}

TEST_F(Mount, FscacheWithoutADaemonOrSupportIsExplained) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  if (!has_erofs()) GTEST_SKIP() << "this kernel has no EROFS";
  FscacheRequest request;
  request.fsid = "ondemand-test-no-such-image";
  request.domain_id = "ondemand-test";
  request.mountpoint = at("mnt");
  try {
    mount_fscache(request);
    ADD_FAILURE() << "mounted";
  } catch (const util::Error& error) {
    EXPECT_TRUE(error.code() == util::ErrorCode::kUnsupported ||
                error.code() == util::ErrorCode::kUnavailable)
        << error.message();
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
  }
}

TEST_F(Mount, ALongSourceIsNoReasonAgainstAMountOverFscache) {
  FscacheRequest request;
  request.fsid = "ondemand-test-no-such-image";
  request.source = "/" + std::string(300, 's');
  request.mountpoint = at("mnt");
  try {
    mount_fscache(request);
    ADD_FAILURE() << "mounted";
  } catch (const util::Error& error) {
    EXPECT_NE(error.code(), util::ErrorCode::kTooLarge) << error.message();
  }
}

TEST_F(Mount, WrongNumberOfDevicesIsRefusedInOneLine) {
  SKIP_UNLESS_MOUNTABLE();
  MountRequest wrong = request();
  wrong.devices.push_back(at("blob"));
  EXPECT_EQ(failure(wrong), util::ErrorCode::kCorrupt);
  EXPECT_NE(message_.find("2 devices"), std::string::npos) << message_;
  EXPECT_EQ(message_.find('\n'), std::string::npos);
}

TEST_F(Mount, FileThatIsNoImageIsRefused) {
  SKIP_UNLESS_MOUNTABLE();
  std::ofstream(at("boot"), std::ios::trunc) << std::string(8192, 'x');
  EXPECT_EQ(failure(request()), util::ErrorCode::kCorrupt) << message_;
}

TEST_F(Mount, BootstrapOnTmpfsIsExplained) {
  SKIP_UNLESS_MOUNTABLE();
  struct statfs info {};
  if (::statfs("/dev/shm", &info) != 0 || info.f_type != 0x01021994)
    GTEST_SKIP() << "/dev/shm is no tmpfs";
  const std::filesystem::path copy = "/dev/shm/ondemand-boot-" + std::to_string(::getpid());
  std::filesystem::copy_file(at("boot"), copy);
  MountRequest shm = request();
  shm.bootstrap = copy;
  EXPECT_EQ(failure(shm), util::ErrorCode::kUnsupported);
  EXPECT_NE(message_.find("tmpfs"), std::string::npos) << message_;
  std::filesystem::remove(copy);
}

TEST_F(Mount, MissingPartsAreNamed) {
  EXPECT_EQ(failure(request()), util::ErrorCode::kNotFound);
  EXPECT_NE(message_.find("boot"), std::string::npos);
  std::ofstream(at("boot")) << "x";
  EXPECT_EQ(failure(request()), util::ErrorCode::kNotFound);
  EXPECT_NE(message_.find("blob"), std::string::npos);
  std::ofstream(at("blob")) << "x";
  MountRequest nowhere = request();
  nowhere.mountpoint = at("nowhere");
  EXPECT_EQ(failure(nowhere), util::ErrorCode::kNotFound);
  EXPECT_NE(message_.find("nowhere"), std::string::npos);
  nowhere.mountpoint = at("boot");
  EXPECT_EQ(failure(nowhere), util::ErrorCode::kUsage);
}

TEST_F(Mount, UnmountOfAnOrdinaryDirectoryIsAUsersMistake) {
  if (::geteuid() != 0) GTEST_SKIP() << "unmounting needs root";
  try {
    unmount(at("mnt"));
    ADD_FAILURE();
  } catch (const util::Error& error) {
    EXPECT_EQ(error.code(), util::ErrorCode::kUsage);
  }
}

TEST_F(Mount, UnmountInUseIsToldAndLazyDetaches) {
  SKIP_UNLESS_MOUNTABLE();
  mount_erofs(request());
  std::ifstream user(at("mnt") / "numbers");
  EXPECT_TRUE(user.good());
  try {
    unmount(at("mnt"));
    ADD_FAILURE();
  } catch (const util::Error& error) {
    EXPECT_NE(error.message().find("in use"), std::string::npos);
  }
  unmount(at("mnt"), true);
}

TEST(Probe, KnowsThisKernel) {
  EXPECT_NE(kernel_release(), "");
  EXPECT_NE(kernel_release(), "unknown");
}

}  // namespace
}  // namespace ondemand::mount
