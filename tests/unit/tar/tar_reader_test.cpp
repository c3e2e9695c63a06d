// SPDX-License-Identifier: Apache-2.0
#include "tar/tar_reader.h"

#include <gmock/gmock.h>

#include "support/tar_literal.h"
#include "unit/tar/read_archive.h"

namespace ondemand::tar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing_support::pax_member;
using testing_support::pax_record;
using testing_support::tar_end;
using testing_support::tar_member;
using testing_support::TarHeader;

const std::string kGnuMagic("ustar  \0", 8);

TarHeader header(const std::string& path, char type = '0') {
  TarHeader out;
  out.path = path;
  out.type = type;
  return out;
}

// With a patch of one field.
TarHeader patched(std::size_t offset, const std::string& bytes, char type = '0') {
  TarHeader out = header("odd", type);
  out.patches = {{offset, bytes}};
  return out;
}

TEST(TarReader, ReadsEveryTypeOfUstar) {
  TarHeader device = header("c", '3');
  device.patches = {{329, "0000012"}, {337, "0000377"}};
  TarHeader block = device;
  block.type = '4';
  TarHeader hard = header("h", '1');
  hard.link = "f";
  TarHeader soft = header("s", '2');
  soft.link = "../x";
  const auto entries =
      read_archive(tar_member(header("f"), "data") + tar_member(header("d/", '5')) +
                   tar_member(hard) + tar_member(soft) + tar_member(device) + tar_member(block) +
                   tar_member(header("p", '6')) + tar_member(header("7", '7'), "x") + tar_end());
  ASSERT_EQ(entries.size(), 8u);
  EXPECT_EQ(entries[0].data, "data");
  EXPECT_EQ(entries[0].entry.permissions, 0644);
  EXPECT_EQ(entries[0].entry.mtime, (util::Timestamp{1000, 0}));
  EXPECT_EQ(entries[1].entry.type, EntryType::kDirectory);
  EXPECT_EQ(entries[1].entry.path, "d/");
  EXPECT_EQ(entries[2].entry.type, EntryType::kHardlink);
  EXPECT_EQ(entries[2].entry.link_target, "f");
  EXPECT_EQ(entries[3].entry.type, EntryType::kSymlink);
  EXPECT_EQ(entries[3].entry.link_target, "../x");
  EXPECT_EQ(entries[4].entry.type, EntryType::kCharDevice);
  EXPECT_EQ(entries[4].entry.rdev_major, 10u);
  EXPECT_EQ(entries[4].entry.rdev_minor, 255u);
  EXPECT_EQ(entries[5].entry.type, EntryType::kBlockDevice);
  EXPECT_EQ(entries[6].entry.type, EntryType::kFifo);
  EXPECT_EQ(entries[7].data, "x");
}

TEST(TarReader, GivesTheSameWhateverTheSizesOfTheReads) {
  const std::string archive = pax_member(pax_record("path", std::string(300, 'p'))) +
                              tar_member(header("f"), std::string(70000, 'd')) + tar_end();
  for (const std::size_t step : {1u, 511u, 513u, 100000u}) {
    const auto entries = read_archive(archive, step);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.path, std::string(300, 'p'));
    EXPECT_EQ(entries[0].data, std::string(70000, 'd'));
  }
}

TEST(TarReader, JoinsPrefixAndName) {
  EXPECT_EQ(read_one(tar_member(patched(345, "some/prefix"))).entry.path, "some/prefix/odd");
  // The prefix of star ends before its times.
  TarHeader star = patched(345, "dir");
  star.patches.push_back({345 + 131, "00000001750"});
  star.patches.push_back({508, std::string("tar\0", 4)});
  EXPECT_EQ(read_one(tar_member(star)).entry.path, "dir/odd");
  // GNU headers keep other things there.
  TarHeader gnu = patched(345, "00000001750");
  gnu.magic = kGnuMagic;
  EXPECT_EQ(read_one(tar_member(gnu)).entry.path, "odd");
}

TEST(TarReader, ReadsVersionSevenDirectories) {
  TarHeader old = header("old/", '\0');
  old.magic = std::string(8, '\0');
  EXPECT_EQ(read_one(tar_member(old)).entry.type, EntryType::kDirectory);
}

TEST(TarReader, ReadsBase256Numbers) {
  const std::string uid("\x80\0\0\0\xFF\xFF\xFF\xFF", 8);  // 2^32 - 1
  EXPECT_EQ(read_one(tar_member(patched(108, uid))).entry.uid, 4294967295u);
  const std::string before(12, '\xFF');  // -1
  EXPECT_EQ(read_one(tar_member(patched(136, before))).entry.mtime, (util::Timestamp{-1, 0}));
  const std::string after("\x80\0\0\0\0\0\0\x02\0\0\0\0", 12);  // 2^33
  EXPECT_EQ(read_one(tar_member(patched(136, after))).entry.mtime.sec, 1ll << 33);
}

TEST(TarReader, ReadsGnuLongNamesAndLinks) {
  TarHeader soft = header("short", '2');
  soft.link = "short";
  const std::string name(300, 'n'), target(400, 't');
  TarHeader long_name = header("././@LongLink", 'L'), long_link = header("././@LongLink", 'K');
  const Entry entry = read_one(tar_member(long_link, target + '\0') +
                               tar_member(long_name, name + '\0') + tar_member(soft) + tar_end())
                          .entry;
  EXPECT_EQ(entry.path, name);
  EXPECT_EQ(entry.link_target, target);
}

TEST(TarReader, KeepsNamesByteForByte) {
  // Invalid UTF-8, decomposed UTF-8 and control characters, in the header and in pax records.
  for (const std::string name : {"caf\xFF\xFE", "e\xCC\x81", "a\nb\x01", "\xE2\x82"}) {
    EXPECT_EQ(read_one(tar_member(header(name))).entry.path, name);
    EXPECT_EQ(read_one(pax_member(pax_record("path", name)) + tar_member(header("x"))).entry.path,
              name);
    TarHeader soft = header("s", '2');
    soft.link = "x";
    EXPECT_EQ(
        read_one(pax_member(pax_record("linkpath", name)) + tar_member(soft)).entry.link_target,
        name);
  }
}

TEST(TarReader, AppliesGlobalHeadersUntilAFileSaysOtherwise) {
  const std::string global =
      pax_member(pax_record("uid", "77") + pax_record("SCHILY.xattr.user.a", "global"), 'g');
  const std::string local =
      pax_member(pax_record("uid", "5") + pax_record("SCHILY.xattr.user.b", "1"));
  const auto entries = read_archive(
      global + tar_member(header("a")) + local + tar_member(header("b")) + tar_member(header("c")) +
      pax_member(pax_record("uid", ""), 'g') + tar_member(header("d")) + tar_end());
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].entry.uid, 77u);
  EXPECT_EQ(entries[1].entry.uid, 5u);
  EXPECT_THAT(entries[1].entry.xattrs,
              ElementsAre(Xattr{"user.a", "global"}, Xattr{"user.b", "1"}));
  EXPECT_EQ(entries[2].entry.uid, 77u);
  EXPECT_THAT(entries[2].entry.xattrs, ElementsAre(Xattr{"user.a", "global"}));
  EXPECT_EQ(entries[3].entry.uid, 0u);
}

TEST(TarReader, AppliesAFilesOwnHeaderAlsoBeforeAGlobalOne) {
  const auto entries =
      read_archive(pax_member(pax_record("uid", "5") + pax_record("path", "own")) +
                   pax_member(pax_record("uid", "77") + pax_record("gid", "78"), 'g') +
                   tar_member(header("a")) + tar_member(header("b")) + tar_end());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].entry.path, "own");
  EXPECT_EQ(entries[0].entry.uid, 5u);
  EXPECT_EQ(entries[0].entry.gid, 78u);
  EXPECT_EQ(entries[1].entry.path, "b");
  EXPECT_EQ(entries[1].entry.uid, 77u);
}

TEST(TarReader, ReadsASizeFromPax) {
  TarHeader liar = header("f");
  liar.size = 0;
  std::string archive = pax_member(pax_record("size", "600")) + testing_support::tar_block(liar);
  archive += std::string(600, 'x') + std::string(424, '\0') + tar_member(header("g")) + tar_end();
  const auto entries = read_archive(archive);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].data, std::string(600, 'x'));
}

TEST(TarReader, ReadsOldGnuSparseFilesWithExtensionBlocks) {
  const auto number = [](unsigned value) {
    char text[13];
    std::snprintf(text, sizeof text, "%011o", value);
    return std::string(text, 12);
  };
  TarHeader sparse = header("s", 'S');
  sparse.magic = kGnuMagic;
  std::string pieces, extension;
  for (unsigned i = 0; i < 4; ++i)
    pieces += number(1000 * i) + number(10);
  for (unsigned i = 4; i < 6; ++i)
    extension += number(1000 * i) + number(10);
  extension.resize(512);
  sparse.patches = {{386, pieces}, {482, "\x01"}, {483, number(9000)}};
  sparse.size = 60;
  const ReadEntry read = read_one(testing_support::tar_block(sparse) + extension +
                                  std::string(60, 'x') + std::string(452, '\0') + tar_end());
  EXPECT_EQ(read.entry.size, 9000u);
  EXPECT_THAT(read.pieces, ElementsAre(Pair(0, 10), Pair(1000, 10), Pair(2000, 10), Pair(3000, 10),
                                       Pair(4000, 10), Pair(5000, 10)));
}

TEST(TarReader, ReadsThePaxSparseFormats) {
  const std::string zero =
      pax_record("GNU.sparse.size", "5000") + pax_record("GNU.sparse.numblocks", "2") +
      pax_record("GNU.sparse.offset", "100") + pax_record("GNU.sparse.numbytes", "3") +
      pax_record("GNU.sparse.offset", "4000") + pax_record("GNU.sparse.numbytes", "4");
  const std::string one = pax_record("GNU.sparse.size", "5000") +
                          pax_record("GNU.sparse.name", "real") +
                          pax_record("GNU.sparse.map", "100,3,4000,4");
  const std::string two =
      pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
      pax_record("GNU.sparse.name", "real") + pax_record("GNU.sparse.realsize", "5000");
  std::string map = "2\n100\n3\n4000\n4\n";
  map.resize(512);
  for (const ReadEntry& read :
       {read_one(pax_member(zero) + tar_member(header("real"), "abcdefg")),
        read_one(pax_member(one) + tar_member(header("x"), "abcdefg")),
        read_one(pax_member(two) + tar_member(header("x"), map + "abcdefg"))}) {
    EXPECT_EQ(read.entry.path, "real");
    EXPECT_EQ(read.entry.size, 5000u);
    EXPECT_THAT(read.pieces, ElementsAre(Pair(100, 3), Pair(4000, 4)));
    EXPECT_EQ(read.data.substr(4000, 4), "defg");
  }
}

TEST(TarReader, SkipsTheDataOfHardLinksWhereThereIsSome) {
  TarHeader hard = header("h", '1');
  hard.link = "f";
  hard.size = 4;
  const auto with = read_archive(tar_member(hard, "data") + tar_member(header("n")) + tar_end());
  ASSERT_EQ(with.size(), 2u);
  EXPECT_EQ(with[0].entry.size, 0u);
  EXPECT_TRUE(with[0].pieces.empty());
  // Old writers give the size of the target and no data.
  const auto without =
      read_archive(testing_support::tar_block(hard) + tar_member(header("n")) + tar_end());
  EXPECT_EQ(without.size(), 2u);
}

TEST(TarReader, SkipsTheDataOfHardLinksThatBeginsWithZeros) {
  TarHeader hard = header("h", '1');
  hard.link = "f";
  for (const std::size_t size : {512u, 1300u, 5000u, 2u << 20}) {
    std::string data(size, '\0');
    data.back() = 'x';
    const auto entries = read_archive(tar_member(hard, data) + tar_member(header("n")) + tar_end());
    EXPECT_EQ(entries.size(), 2u) << size;
    const auto last = read_archive(tar_member(hard, data) + tar_end());
    EXPECT_EQ(last.size(), 1u) << size;
  }
  EXPECT_EQ(
      read_archive(tar_member(hard, std::string(1500, '\0')) + tar_member(header("n"))).size(), 2u);
  // Without data, before the end mark.
  for (const std::uint64_t size : {4u, 512u, 513u, 1024u, 20000u, 2u << 20}) {
    hard.size = size;
    for (const std::size_t blocks : {2u, 3u, 17u})
      EXPECT_EQ(
          read_archive(testing_support::tar_block(hard) + std::string(512 * blocks, '\0')).size(),
          1u)
          << size << " " << blocks;
  }
}

TEST(TarReader, EndsAtTheEndMarkOrAtTheEndOfTheSource) {
  const std::string member = tar_member(header("f"), "x");
  EXPECT_EQ(read_archive(member).size(), 1u);
  EXPECT_EQ(read_archive(member + std::string(512, '\0')).size(), 1u);
  EXPECT_EQ(read_archive(member + tar_end() + "trailing bytes").size(), 1u);
  for (const std::size_t size : {1024u, 1536u, 10240u})
    EXPECT_EQ(read_archive(std::string(size, '\0')).size(), 0u) << "an empty layer";
}

TEST(TarReader, TellsWhetherThereWasAnEndMark) {
  const std::string member = tar_member(header("f"), "x");
  const auto has_end_mark = [](const std::string& archive, std::size_t warnings) {
    util::MemorySource source(util::as_bytes(archive));
    TarReader reader(source, "a.tar");
    Entry entry;
    while (reader.next(entry)) {
    }
    EXPECT_EQ(reader.warnings().size(), warnings);
    return reader.has_end_mark();
  };
  EXPECT_FALSE(has_end_mark(member, 0));
  EXPECT_TRUE(has_end_mark(member + std::string(512, '\0'), 0));
  EXPECT_TRUE(has_end_mark(member + std::string(10240, '\0'), 0));
  EXPECT_TRUE(has_end_mark(tar_end(), 0));
  EXPECT_TRUE(has_end_mark(member + tar_end() + "behind", 1));
  EXPECT_TRUE(has_end_mark(member + tar_end() + member, 1));
}

TEST(TarReader, TellsWhereAPlainMembersDataLies) {
  const std::string archive = tar_member(header("a"), "first") + tar_member(header("d/", '5')) +
                              pax_member(pax_record("mtime", "1.5")) +
                              tar_member(header("b"), "second") + tar_end();
  util::MemorySource source(util::as_bytes(archive));
  TarReader reader(source, "a.tar");
  Entry entry;
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(archive.substr(reader.data_offset().value(), entry.size), "first");
  ASSERT_TRUE(reader.next(entry));
  EXPECT_FALSE(reader.data_offset());
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(archive.substr(reader.data_offset().value(), entry.size), "second");
}

TEST(TarReader, TakesUnknownTypesForFilesAndWarns) {
  const std::string archive = tar_member(header("odd", 'Q'), "x") + tar_end();
  util::MemorySource source(util::as_bytes(archive));
  TarReader reader(source, "a.tar");
  Entry entry;
  ASSERT_TRUE(reader.next(entry));
  EXPECT_EQ(entry.type, EntryType::kRegular);
  EXPECT_THAT(reader.warnings(), ElementsAre(HasSubstr("odd at byte 0: unknown type")));
}

}  // namespace
}  // namespace ondemand::tar
