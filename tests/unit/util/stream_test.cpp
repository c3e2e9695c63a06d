// SPDX-License-Identifier: Apache-2.0
#include "util/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "support/temporary_directory.h"
#include "util/error.h"

namespace ondemand::util {
namespace {

TEST(Streams, MemoryEndsWhereItEnds) {
  MemorySource source(as_bytes("abcdef"));
  Buffer out(4);
  EXPECT_EQ(read_fully(source, out), 4U);
  EXPECT_EQ(read_fully(source, out), 2U);
  EXPECT_EQ(read_fully(source, out), 0U);
}

TEST(Streams, ReadAllHasALimit) {
  MemorySource source(as_bytes("abcdef"));
  EXPECT_EQ(as_text(read_all(source, 6, "s")), "abcdef");
  MemorySource again(as_bytes("abcdef"));
  EXPECT_THROW(read_all(again, 5, "s"), Error);
}

TEST(Streams, ARangeOfAFileEndsAtTheRangeOrTheFile) {
  const test::TemporaryDirectory dir;
  const Fd fd = open_file(dir.path() / "f", O_RDWR | O_CREAT);
  write_full(fd.get(), as_bytes("0123456789"), "f");
  FdRangeSource inside(fd.get(), {2, 3}, "f");
  EXPECT_EQ(as_text(read_all(inside, 100, "f")), "234");
  FdRangeSource beyond(fd.get(), {8, 100}, "f");
  EXPECT_EQ(as_text(read_all(beyond, 100, "f")), "89");
}

}  // namespace
}  // namespace ondemand::util
