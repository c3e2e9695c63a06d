// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "support/tar_literal.h"
#include "tar/tar_reader.h"
#include "unit/tar/read_archive.h"

namespace ondemand::tar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::pax_member;
using testing_support::pax_record;
using testing_support::tar_end;
using testing_support::tar_member;

std::string file(const std::string& path, const std::string& data = "x") {
  testing_support::TarHeader header;
  header.path = path;
  header.size = data.size();
  return tar_member(header, data);
}

struct Losses {
  std::vector<Entry> entries;
  std::vector<std::string> told;  // "path: what"
  std::vector<std::string> warnings;
};

Losses read_lossy(const std::string& archive, bool is_lossy = true) {
  Losses out;
  util::MemorySource source(util::as_bytes(archive));
  TarReader reader(source, "a.tar");
  if (is_lossy) {
    reader.on_loss([&](const TarReader::Loss& loss) {
      out.told.push_back((loss.is_entry ? "entry " : "") + loss.path + ": " + loss.what);
    });
  }
  Entry entry;
  while (reader.next(entry))
    out.entries.push_back(entry);
  out.warnings = reader.warnings();
  return out;
}

TEST(TarReaderLoss, NfsAclsAreRefusedOrTold) {
  const std::string archive = pax_member(pax_record("SCHILY.acl.ace", "owner@:rwxp:-------:allow") +
                                         pax_record("SCHILY.xattr.user.a", "1")) +
                              file("dir/f") + tar_end();
  EXPECT_EQ(read_error(archive).code(), util::ErrorCode::kUnsupported);
  EXPECT_THAT(read_error(archive).message(), HasSubstr("(dir/f): acl ace: erofs has no place"));
  const Losses losses = read_lossy(archive);
  EXPECT_THAT(losses.told, ElementsAre(HasSubstr("dir/f: acl ace: erofs has no place")));
  EXPECT_EQ(losses.entries.at(0).xattrs, (std::vector<Xattr>{{"user.a", "1"}}));
}

TEST(TarReaderLoss, FileFlagsAreToldOnceOrEach) {
  std::string archive;
  for (const char* name : {"f", "g"})
    archive += pax_member(pax_record("SCHILY.fflags", "nodump")) + file(name);
  archive += file("plain") + tar_end();
  const Losses strict = read_lossy(archive, false);
  EXPECT_THAT(strict.warnings, ElementsAre(HasSubstr("f at byte 0: file flags nodump are left")));
  EXPECT_EQ(strict.entries.size(), 3u);
  const Losses lossy = read_lossy(archive);
  EXPECT_THAT(lossy.told, ElementsAre("f: file flags nodump: erofs has none",
                                      "g: file flags nodump: erofs has none"));
  EXPECT_TRUE(lossy.warnings.empty());
}

TEST(TarReaderLoss, TheLargestXattrsGoWhereAllAreOverTheLimit) {
  const std::string archive =
      pax_member(pax_record("SCHILY.xattr.user.a", std::string(600'000, 'a')) +
                 pax_record("SCHILY.xattr.user.b", std::string(700'000, 'b')) +
                 pax_record("SCHILY.xattr.user.c", "c")) +
      file("dir/f") + tar_end();
  EXPECT_EQ(read_error(archive).code(), util::ErrorCode::kTooLarge);
  EXPECT_THAT(read_error(archive).message(),
              HasSubstr("(dir/f): extended attributes: 1300019 bytes, the limit is 1048576"));
  const Losses losses = read_lossy(archive);
  EXPECT_THAT(losses.told, ElementsAre(HasSubstr("dir/f: xattr user.b: one of 1300019 bytes")));
  EXPECT_EQ(losses.entries.at(0).xattrs.size(), 2u);
}

// Whoever builds an image refuses it or drops it, by the name of its file.
TEST(TarReaderLoss, LongNamesOfXattrsAreRead) {
  const std::string name = "user." + std::string(300, 'n');
  const Losses read = read_lossy(
      pax_member(pax_record("SCHILY.xattr." + name, "v")) + file("f") + tar_end(), false);
  EXPECT_EQ(read.entries.at(0).xattrs, (std::vector<Xattr>{{name, "v"}}));
}

TEST(TarReaderLoss, AclTextIsNotReadWhereTheExactFormIsThere) {
  const std::string text = "user::rw-,user:bob:r--,group::r--,mask::r--,other::r--";
  for (const std::string kind : {"access", "default"}) {
    const std::string as_text = pax_record("SCHILY.acl." + kind, text);
    const std::string name = "system.posix_acl_" + kind;
    const std::string exact = pax_record("SCHILY.xattr." + name, "value");
    EXPECT_THAT(read_error(pax_member(as_text) + file("f") + tar_end()).message(),
                HasSubstr("names a user without a number"));
    for (const bool is_lossy : {false, true}) {
      const Losses read = read_lossy(pax_member(as_text + exact) + file("f") + tar_end(), is_lossy);
      EXPECT_THAT(read.told, testing::IsEmpty());
      EXPECT_EQ(read.entries.at(0).xattrs, (std::vector<Xattr>{{name, "value"}}));
    }
  }
}

// What comes behind an entry that is skipped must still be read.
void expect_skipped(const std::string& unfit, const std::string& reason) {
  const std::string archive = file("first") + unfit + file("last") + tar_end();
  EXPECT_THAT(read_error(archive).message(), HasSubstr(reason));
  const Losses losses = read_lossy(archive);
  EXPECT_THAT(losses.told, ElementsAre(testing::StartsWith("entry unfit")));
  EXPECT_THAT(losses.told, ElementsAre(HasSubstr(reason)));
  ASSERT_EQ(losses.entries.size(), 2u);
  EXPECT_EQ(losses.entries[1].path, "last");
}

TEST(TarReaderLoss, EntriesThatNoImageCanHoldAreSkipped) {
  const std::string data(3000, 'd');
  expect_skipped(pax_member(pax_record("uid", "4294967296")) + file("unfit", data),
                 "uid 4294967296: does not fit 32 bits");
  expect_skipped(pax_member(pax_record("gid", "-1")) + file("unfit", data), "gid -1: does not");
  testing_support::TarHeader link;
  link.path = "unfit";
  link.type = '2';
  expect_skipped(pax_member(pax_record("linkpath", std::string(4096, 'l'))) + tar_member(link),
                 "link target: 4096 bytes long, the limit is 4095");
  expect_skipped(pax_member(pax_record("path", "unfit" + std::string(4092, '/'))) + file("f", data),
                 "path: 4097 bytes long");
}

TEST(TarReaderLoss, OwnersThatMeanNothingMayBeUnfit) {
  const std::string big = pax_record("uid", "4294967296") + pax_record("gid", "-1");
  testing_support::TarHeader header;
  header.path = "d/mark.b";
  header.patches = {{108, std::string("\x80\0\0\x01\0\0\0\0", 8)}};
  const std::string archive = pax_member(big) + file("d/mark.a") + tar_member(header) +
                              pax_member(pax_record("uid", "5") + pax_record("gid", "-1")) +
                              file("mark.c") + tar_end();
  util::MemorySource source(util::as_bytes(archive));
  TarReader reader(source, "a.tar");
  reader.ignore_owners([](const std::string& path) { return path.find("mark.") != path.npos; });
  Entry entry;
  for (const std::uint32_t uid : {0u, 0u, 5u}) {
    ASSERT_TRUE(reader.next(entry));
    EXPECT_EQ(entry.uid, uid);
    EXPECT_EQ(entry.gid, 0u);
  }
  EXPECT_FALSE(reader.next(entry));
}

TEST(TarReaderLoss, WhatMakesAnEntryAWhiteoutIsTold) {
  const auto loss_of = [](char type, const std::string& records, const std::string& data = "") {
    testing_support::TarHeader header;
    header.path = "unfit";
    header.type = type;
    header.size = data.size();
    const std::string archive = pax_member(pax_record("uid", "4294967296") + records) +
                                tar_member(header, data) + tar_end();
    util::MemorySource source(util::as_bytes(archive));
    TarReader reader(source, "a.tar");
    TarReader::Loss out;
    reader.on_loss([&](const TarReader::Loss& loss) { out = loss; });
    Entry entry;
    EXPECT_FALSE(reader.next(entry));
    return out;
  };
  const auto device = [&](const std::string& major, const std::string& minor) {
    const TarReader::Loss loss =
        loss_of('3', pax_record("SCHILY.devmajor", major) + pax_record("SCHILY.devminor", minor));
    EXPECT_EQ(loss.type, EntryType::kCharDevice);
    return std::pair(loss.rdev_major, loss.rdev_minor);
  };
  EXPECT_EQ(device("0", "0"), std::pair(0U, 0U));
  EXPECT_EQ(device("5", "1"), std::pair(5U, 1U));
  EXPECT_EQ(device("4294967296", "-1"), std::pair(UINT32_MAX, UINT32_MAX));
  EXPECT_EQ(loss_of('0', "").size, 0U);
  EXPECT_EQ(loss_of('0', "", "data").size, 4U);
  const std::string sparse = pax_record("GNU.sparse.map", "9,0") +
                             pax_record("GNU.sparse.size", "9") +
                             pax_record("GNU.sparse.numblocks", "1");
  EXPECT_EQ(loss_of('0', sparse).size, 9U);
}

TEST(TarReaderLoss, SparseFilesOfTooManyPiecesAreSkipped) {
  std::string map = "1000001\n0\n1\n";
  map.resize(1024, '\0');
  const std::string common =
      pax_record("GNU.sparse.name", "unfit") + pax_record("GNU.sparse.realsize", "9000000");
  expect_skipped(pax_member(pax_record("GNU.sparse.major", "1") +
                            pax_record("GNU.sparse.minor", "0") + common) +
                     file("x", map),
                 "sparse map: too many pieces");
  std::string list = "0,1";
  for (int i = 1; i <= 1'000'000; ++i)
    list += ",9,1";
  expect_skipped(pax_member(pax_record("GNU.sparse.map", list) + common) + file("x", map),
                 "sparse map: too many pieces");
}

}  // namespace
}  // namespace ondemand::tar
