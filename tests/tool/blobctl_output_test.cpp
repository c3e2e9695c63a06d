// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "blobctl/tar_output.h"
#include "support/temporary_directory.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::blobctl {
namespace {

namespace fs = std::filesystem;

class WriteOutput : public ::testing::Test {
 protected:
  void SetUp() override {
    const util::Fd fd(::open(dir_.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!fd) GTEST_SKIP() << "no O_TMPFILE here";
  }
  void write(const fs::path& path, std::string_view text, const std::function<void()>& between) {
    cli::Io io{-1, out_, err_, false};
    write_output(path.native(), io, [&](util::ByteSink& sink) {
      sink.write(util::Buffer(std::size_t{1} << 20));
      between();
      sink.write(util::as_bytes(text));
    });
  }
  static std::string tail(const fs::path& path) {
    return util::read_text_file(path, 2 << 20).substr(1 << 20);
  }
  static std::size_t count(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
  }

  test::TemporaryDirectory dir_;
  std::ostringstream out_;
  std::ostringstream err_;
};

// So nothing is left when the process is killed.
TEST_F(WriteOutput, NothingHasANameWhileItIsWritten) {
  write(dir_.path() / "out", "new", [&] { EXPECT_EQ(count(dir_.path()), 0U); });
  EXPECT_EQ(tail(dir_.path() / "out"), "new");
  EXPECT_EQ(count(dir_.path()), 1U);
}

TEST_F(WriteOutput, WhatIsThereIsReplacedAtOnceAndKeptOnErrors) {
  const fs::path path = dir_.path() / "out";
  write(path, "old", [] {});
  EXPECT_THROW(
      write(path, "half", [] { throw util::Error(util::ErrorCode::kIo, "the image ended"); }),
      util::Error);
  EXPECT_EQ(tail(path), "old");
  write(path, "new", [&] { EXPECT_EQ(tail(path), "old"); });
  EXPECT_EQ(tail(path), "new");
  EXPECT_EQ(count(dir_.path()), 1U);
}

TEST_F(WriteOutput, TheTargetOfALinkIsReplacedAlsoWhereItIsNotThereYet) {
  fs::create_directory(dir_.path() / "elsewhere");
  fs::create_symlink("elsewhere/second", dir_.path() / "first");
  fs::create_symlink("target", dir_.path() / "elsewhere/second");
  for (const char* text : {"one", "two"}) {
    write(dir_.path() / "first", text, [] {});
    EXPECT_TRUE(fs::is_symlink(dir_.path() / "first"));
    EXPECT_TRUE(fs::is_symlink(dir_.path() / "elsewhere/second"));
    EXPECT_EQ(tail(dir_.path() / "elsewhere/target"), text);
  }
}

// A tar of an image may hold what not everyone may read.
TEST_F(WriteOutput, ModesAreThoseOfTheOldFileOrWhatTheUmaskLeaves) {
  const fs::path path = dir_.path() / "out";
  const auto mode = [&path] { return static_cast<unsigned>(fs::status(path).permissions()); };
  const mode_t before = ::umask(0027);
  write(path, "new", [] {});
  EXPECT_EQ(mode(), 0640U);
  ::umask(0022);
  write(path, "kept", [] {});
  EXPECT_EQ(mode(), 0640U);
  ASSERT_EQ(::chmod(path.c_str(), 04600), 0);
  write(path, "kept", [] {});
  EXPECT_EQ(mode(), 0600U);
  fs::create_symlink("out", dir_.path() / "link");
  write(dir_.path() / "link", "kept", [] {});
  EXPECT_EQ(mode(), 0600U);
  EXPECT_EQ(::umask(before), 0022U);
}

TEST_F(WriteOutput, LinksThatGoRoundAreRefused) {
  fs::create_symlink("b", dir_.path() / "a");
  fs::create_symlink("a", dir_.path() / "b");
  EXPECT_THROW(write(dir_.path() / "a", "x", [] {}), util::Error);
}

}  // namespace
}  // namespace ondemand::blobctl
