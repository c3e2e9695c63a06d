// SPDX-License-Identifier: Apache-2.0
#include "util/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::util {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;

std::size_t entries(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), {}));
}

TEST(AtomicFile, AppearsWithAllItsBytesAtCommit) {
  const TemporaryDirectory dir;
  AtomicFile file(dir.path(), 0640);
  write_full(file.fd(), as_bytes("hello"), file.name());
  EXPECT_FALSE(fs::exists(dir.path() / "final"));
  file.commit(dir.path() / "final", Durability::kSync);
  EXPECT_EQ(read_text_file(dir.path() / "final", 100), "hello");
  struct stat status {};
  ASSERT_EQ(::stat((dir.path() / "final").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U) << "whatever the umask";
  EXPECT_EQ(entries(dir.path()), 1U);
}

TEST(AtomicFile, LeavesNothingWhenItIsNotCommitted) {
  const TemporaryDirectory dir;
  {
    AtomicFile file(dir.path());
    write_full(file.fd(), as_bytes("half"), file.name());
    const AtomicFile moved(std::move(file));
  }
  EXPECT_EQ(entries(dir.path()), 0U);
}

TEST(AtomicFile, AFailedCommitKeepsWhatWasThereAndLeavesNoTemporary) {
  const TemporaryDirectory dir;
  fs::create_directory(dir.path() / "taken");
  {
    AtomicFile file(dir.path());
    EXPECT_THROW(file.commit(dir.path() / "taken", Durability::kNoSync), Error);
  }
  EXPECT_EQ(entries(dir.path()), 1U);
}

TEST(AtomicFile, AMissingDirectoryIsNotFound) {
  try {
    const AtomicFile file("/nonexistent/place");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

TEST(WriteFileAtomically, Replaces) {
  const TemporaryDirectory dir;
  write_file_atomically(dir.path() / "f", as_bytes("one"), Durability::kNoSync);
  write_file_atomically(dir.path() / "f", as_bytes("two"), Durability::kNoSync);
  EXPECT_EQ(read_text_file(dir.path() / "f", 100), "two");
}

}  // namespace
}  // namespace ondemand::util
