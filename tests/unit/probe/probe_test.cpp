// SPDX-License-Identifier: Apache-2.0
//
// What is read of this machine, whatever it is, and the texts that are read.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "probe/device_holders.h"
#include "probe/file_system.h"
#include "probe/kernel.h"
#include "probe/kernel_config.h"
#include "support/temporary_directory.h"
#include "util/fd.h"

namespace ondemand::probe {
namespace {

TEST(KernelConfig, OptionsAreReadAndTheRestLeftOut) {
  const auto options = parse_kernel_config(
      "# Linux\nCONFIG_EROFS_FS=m\n# CONFIG_CACHEFILES_ONDEMAND is not set\nCONFIG_A=y\n"
      "CONFIG_TEXT=\"x=y\"\nnonsense\nCONFIG_BROKEN\n\nCONFIG_LAST=7");
  EXPECT_EQ(options.size(), 4u);
  KernelConfig config{"file", options};
  EXPECT_EQ(config.state("EROFS_FS"), 'm');
  EXPECT_EQ(config.state("A"), 'y');
  EXPECT_EQ(config.state("LAST"), 'y');
  EXPECT_EQ(config.state("CACHEFILES_ONDEMAND"), 'n');
  EXPECT_EQ(KernelConfig{}.state("A"), '?');
}

TEST(KernelConfig, OfAReleaseThatIsNotHereComesFromTheRunningKernelOrIsUnknown) {
  const KernelConfig config = read_kernel_config("0.0.0-none");
  EXPECT_EQ(config.is_known(), config.source == "/proc/config.gz");
}

TEST(Modules, AreFoundByTheirFileNames) {
  const char* text =
      "kernel/fs/cachefiles/cachefiles.ko.xz: kernel/fs/netfs/netfs.ko.xz\n"
      "kernel/fs/erofs/erofs.ko:\n"
      "updates/dkms/some-module.ko.zst:\n";
  EXPECT_TRUE(has_module(text, "cachefiles"));
  EXPECT_TRUE(has_module(text, "erofs"));
  EXPECT_TRUE(has_module(text, "some_module"));
  EXPECT_FALSE(has_module(text, "netfs"));  // only needed by another
  EXPECT_FALSE(has_module(text, "cache"));
  EXPECT_FALSE(has_module("", "erofs"));
}

TEST(Lockdown, IsTheWordInBrackets) {
  EXPECT_EQ(parse_lockdown("[none] integrity confidentiality\n"), "none");
  EXPECT_EQ(parse_lockdown("none [integrity] confidentiality\n"), "integrity");
  EXPECT_EQ(parse_lockdown("none integrity"), "");
  EXPECT_EQ(parse_lockdown("] none ["), "");
  EXPECT_EQ(parse_lockdown(""), "");
}

TEST(Release, IsComparedByItsNumbers) {
  EXPECT_TRUE(is_at_least("6.14.0", 6, 14));
  EXPECT_TRUE(is_at_least("6.14-rc1", 6, 14));
  EXPECT_TRUE(is_at_least("7.0.1-amd64", 6, 14));
  EXPECT_FALSE(is_at_least("6.2.99", 6, 14));
  EXPECT_FALSE(is_at_least("5.99", 6, 14));
  for (const char* nonsense : {"", "6", ".", "x.y", "6.", "99999999999999999999.1"})
    EXPECT_FALSE(is_at_least(nonsense, 1, 0)) << nonsense;
}

TEST(Holders, OfANodeAreThoseThatHaveItOpen) {
  EXPECT_TRUE(device_holders("/nowhere").empty());
  EXPECT_TRUE(device_holders("/").empty());
  const util::Fd full = util::open_file("/dev/full", O_RDONLY);
  bool found = false;
  for (const Holder& holder : device_holders("/dev/full"))
    found = found || (holder.pid == ::getpid() && !holder.command.empty());
  EXPECT_TRUE(found);
}

TEST(Kernel, IsLookedAtWithoutFailing) {
  const KernelFacts facts = probe_kernel();
  EXPECT_FALSE(facts.release.empty());
  EXPECT_EQ(facts.demand.node, "/dev/cachefiles_demand");
  EXPECT_EQ(facts.classic.exists, std::filesystem::exists("/dev/cachefiles"));
}

TEST(FileSystem, IsTriedAndNothingIsLeft) {
  const test::TemporaryDirectory directory;
  const FileSystemFacts facts = probe_file_system(directory.path() / "not" / "there");
  EXPECT_EQ(facts.error, "");
  EXPECT_EQ(facts.probed, directory.path());
  EXPECT_FALSE(facts.exists);
  EXPECT_TRUE(facts.has_holes);
  EXPECT_GT(facts.bytes_total, 0u);
  EXPECT_LE(facts.bytes_free, facts.bytes_total);
  EXPECT_EQ(facts.mark, cache::CacheMark::kNone);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  const bool has_xattr = ::setxattr(directory.path().c_str(), "user.test", "", 0, 0) == 0;
  EXPECT_EQ(facts.has_user_xattr, has_xattr);
}

TEST(FileSystem, MarkAndVolumesOfARootAreSeen) {
  const test::TemporaryDirectory directory;
  std::filesystem::create_directories(directory.path() / "cache" / "Ierofs,x");
  FileSystemFacts facts = probe_file_system(directory.path());
  EXPECT_TRUE(facts.exists);
  EXPECT_TRUE(facts.has_volumes);
  if (!facts.has_user_xattr) GTEST_SKIP() << "no user attributes here";
  cache::ensure_mark(directory.path() / "cache", cache::CacheUse::kCachefilesDemand);
  facts = probe_file_system(directory.path());
  EXPECT_EQ(facts.mark, cache::CacheMark::kDemand);
}

TEST(FileSystem, TheDaemonIsTheOneThatTheLockNames) {
  const test::TemporaryDirectory directory;
  EXPECT_EQ(probe_file_system(directory.path()).daemon, 0);
  std::ofstream(directory.path() / "demandd.lock") << "1234      \n";
  EXPECT_EQ(probe_file_system(directory.path()).daemon, 1234);
  EXPECT_NE(probe_file_system(directory.path() / "demandd.lock").error.find("not a directory"),
            std::string::npos);
}

TEST(FileSystem, WhereNothingCanBeMadeIsToldAsAnError) {
  if (!std::filesystem::is_directory("/proc/self/task")) GTEST_SKIP() << "no /proc";
  const FileSystemFacts facts = probe_file_system("/proc/self/task");
  EXPECT_NE(facts.error, "");
  EXPECT_EQ(facts.type, "proc");
}

}  // namespace
}  // namespace ondemand::probe
