// SPDX-License-Identifier: Apache-2.0
// Archives of GNU tar and of Python's tarfile, compared with the files that went in.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <map>

#include "support/tar_literal.h"
#include "unit/tar/read_archive.h"
#include "util/fd.h"

namespace ondemand::tar {
namespace {

using testing_support::run_in;
using testing_support::TemporaryDirectory;

std::map<std::string, ReadEntry> by_path(const std::string& file) {
  std::map<std::string, ReadEntry> out;
  for (ReadEntry& read : read_archive(util::read_text_file(file, 1u << 30)))
    out.emplace(read.entry.path, std::move(read));
  return out;
}

class GnuTar : public testing::TestWithParam<const char*> {
 protected:
  // Packs `in`, made by `commands`.
  std::map<std::string, ReadEntry> pack(const std::string& commands,
                                        const std::string& options = "") {
    EXPECT_TRUE(run_in(directory_.path(), "mkdir in && cd in && " + commands));
    EXPECT_TRUE(run_in(directory_.path(), "tar --sort=name --numeric-owner " +
                                              std::string(GetParam()) + " " + options +
                                              " -cf x.tar -C in ."));
    return by_path(directory_.path() + "/x.tar");
  }
  TemporaryDirectory directory_;
};

TEST_P(GnuTar, IsReadExactly) {
  const std::string long_name(90, 'n');
  auto entries = pack(
      "printf hello > f && ln f hard && ln -s f soft && mkfifo p && mkdir -m 1777 d"
      " && chmod 4755 f && touch -d @1234567890 f && printf x > " +
      long_name);
  EXPECT_EQ(entries.at("./f").data, "hello");
  EXPECT_EQ(entries.at("./f").entry.permissions, 04755);
  EXPECT_EQ(entries.at("./f").entry.mtime.sec, 1234567890);
  EXPECT_EQ(entries.at("./hard").entry.type, EntryType::kHardlink);
  EXPECT_EQ(entries.at("./hard").entry.link_target, "./f");
  EXPECT_EQ(entries.at("./soft").entry.link_target, "f");
  EXPECT_EQ(entries.at("./p").entry.type, EntryType::kFifo);
  EXPECT_EQ(entries.at("./d/").entry.permissions, 01777);
  EXPECT_EQ(entries.at("./" + long_name).data, "x");
}

INSTANTIATE_TEST_SUITE_P(Formats, GnuTar,
                         testing::Values("--format=oldgnu", "--format=gnu", "--format=ustar",
                                         "--format=posix"));

class GnuTarLong : public GnuTar {};

TEST_P(GnuTarLong, KeepsLongPathsAndOddNames) {
  const std::string name(255, 'x');
  auto entries = pack("mkdir -p " + name + "/" + name + " && printf deep > " + name + "/" + name +
                      "/f && ln -s " + name + "/" + name +
                      "/f l && touch \"$(printf 'e\\314\\201')\""
                      " \"$(printf 'bad\\377')\"");
  EXPECT_EQ(entries.at("./" + name + "/" + name + "/f").data, "deep");
  EXPECT_EQ(entries.at("./l").entry.link_target, name + "/" + name + "/f");
  EXPECT_EQ(entries.count("./e\xCC\x81"), 1u);
  EXPECT_EQ(entries.count("./bad\xFF"), 1u);
}

TEST_P(GnuTarLong, KeepsSparseFiles) {
  // Data at the start, in the middle and nothing at the end; more pieces than a header holds.
  auto entries = pack(
      "truncate -s 40000000 s && for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"
      " 19 20 21 22 23 24 25 26 27 28 29 30; do printf piece$i | dd of=s bs=1 seek=$((i *"
      " 1000000)) conv=notrunc 2>/dev/null; done && truncate -s 20000000000 hole",
      "--sparse --hole-detection=raw --exclude=./hole");
  const ReadEntry& sparse = entries.at("./s");
  EXPECT_EQ(sparse.entry.size, 40000000u);
  EXPECT_LT(sparse.stored, 1000000u);
  EXPECT_GT(sparse.pieces.size(), 20u);
  EXPECT_EQ(sparse.data, util::read_text_file(directory_.path() + "/in/s", 1u << 30));
}

TEST_P(GnuTarLong, KeepsAFileThatIsOneHole) {
  auto entries = pack("truncate -s 100G hole", "--sparse");
  EXPECT_EQ(entries.at("./hole").entry.size, 100ull << 30);
  EXPECT_EQ(entries.at("./hole").stored, 0u);
}

INSTANTIATE_TEST_SUITE_P(Formats, GnuTarLong,
                         testing::Values("--format=gnu", "--format=posix --sparse-version=0.0",
                                         "--format=posix --sparse-version=0.1",
                                         "--format=posix --sparse-version=1.0"));

class GnuTarPax : public GnuTar {};

TEST_P(GnuTarPax, KeepsNanosecondsAndXattrs) {
  auto entries = pack(
      "touch -d @-1.25 f && touch -d @5000000000.123456789 g && "
      "(setfattr -n user.k -v v f 2>/dev/null || true)",
      "--xattrs");
  EXPECT_EQ(entries.at("./f").entry.mtime, (util::Timestamp{-2, 750000000}));
  EXPECT_EQ(entries.at("./g").entry.mtime, (util::Timestamp{5000000000, 123456789}));
}

INSTANTIATE_TEST_SUITE_P(Formats, GnuTarPax, testing::Values("--format=posix"));

TEST(PythonTar, GlobalAndLocalHeadersAreRead) {
  const TemporaryDirectory directory;
  const std::string script =
      "import tarfile\n"
      "t = tarfile.open('x.tar', 'w', format=tarfile.PAX_FORMAT, pax_headers={'gid': '7'})\n"
      "i = tarfile.TarInfo('\\u00e9' * 120)\n"
      "i.uid = 4294967295\n"
      "i.mtime = -0.5\n"
      "i.pax_headers = {'SCHILY.xattr.security.capability': 'abc'}\n"
      "t.addfile(i)\n"
      "d = tarfile.TarInfo('zero')\n"
      "d.type = tarfile.CHRTYPE\n"
      "d.mtime = 1e-09\n"
      "t.addfile(d)\n"
      "t.close()\n";
  util::write_full(util::open_file(directory.path() + "/s.py", O_WRONLY | O_CREAT).get(),
                   util::as_bytes(script), "s.py");
  if (!run_in(directory.path(), "python3 s.py")) GTEST_SKIP() << "needs python3";
  const auto entries = read_archive(util::read_text_file(directory.path() + "/x.tar", 1u << 20));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].entry.path.size(), 240u);
  EXPECT_EQ(entries[0].entry.uid, 4294967295u);
  EXPECT_EQ(entries[0].entry.gid, 7u);
  EXPECT_EQ(entries[0].entry.mtime, (util::Timestamp{-1, 500000000}));
  EXPECT_THAT(entries[0].entry.xattrs, testing::ElementsAre(Xattr{"security.capability", "abc"}));
  EXPECT_EQ(entries[1].entry.type, EntryType::kCharDevice);
  EXPECT_EQ(entries[1].entry.mtime, (util::Timestamp{0, 1}));
}

}  // namespace
}  // namespace ondemand::tar
