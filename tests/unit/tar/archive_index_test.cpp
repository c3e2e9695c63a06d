// SPDX-License-Identifier: Apache-2.0
#include "tar/archive_index.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "support/tar_literal.h"
#include "util/error.h"
#include "util/fd.h"

namespace ondemand::tar {
namespace {

using testing_support::run_in;
using testing_support::TemporaryDirectory;

TEST(ArchiveIndex, FindsTheDataOfARealArchive) {
  for (const char* format : {"gnu", "pax", "ustar", "v7"}) {
    const TemporaryDirectory directory;
    ASSERT_TRUE(
        run_in(directory.path(),
               "mkdir -p in/blobs && printf one > in/a && seq 1 5000 > in/blobs/b && : > in/c"
               " && ln -s a in/link && ln in/a in/zhard && cd in && tar --sort=name --format=" +
                   std::string(format) + " -cf ../x.tar ."));
    const util::Fd fd = util::open_file(directory.path() + "/x.tar", O_RDONLY);
    const auto members = index_archive_file(fd.get(), "x.tar");
    ASSERT_EQ(members.size(), 5u) << format;
    EXPECT_EQ(members[0].path, "a");
    EXPECT_EQ(members[1].path, "blobs/b");
    EXPECT_EQ(members[2].data.len, 0u);
    EXPECT_EQ(members[3].type, EntryType::kSymlink);
    EXPECT_EQ(members[3].link_target, "a");
    EXPECT_EQ(members[4].type, EntryType::kHardlink);
    util::Buffer data(members[1].data.len);
    util::pread_full(fd.get(), data, members[1].data.offset, "x.tar");
    EXPECT_EQ(data, util::read_file(directory.path() + "/in/blobs/b", 1u << 20));
  }
}

TEST(ArchiveIndex, NoticesThatTheFileEndsInsideAMember) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(
      run_in(directory.path(),
             "head -c 5000000 /dev/zero > a && tar -cf x.tar a && truncate -s 4000000 x.tar"));
  const util::Fd fd = util::open_file(directory.path() + "/x.tar", O_RDONLY);
  EXPECT_THROW(index_archive_file(fd.get(), "x.tar"), util::Error);
}

}  // namespace
}  // namespace ondemand::tar
