// SPDX-License-Identifier: Apache-2.0
#include "tar/tar_writer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "support/tar_literal.h"
#include "tar/acl.h"
#include "unit/tar/read_archive.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::tar {
namespace {

using testing_support::run_in;
using testing_support::TemporaryDirectory;

std::string archive_of(const Entry& entry, std::string_view data = {},
                       const std::vector<util::ByteRange>& pieces = {}) {
  util::BufferSink sink;
  TarWriter writer(sink);
  const bool whole = pieces.empty() && !data.empty();
  writer.begin(entry, whole ? std::vector<util::ByteRange>{{0, data.size()}} : pieces);
  writer.data(util::as_bytes(data));
  writer.end();
  writer.finish();
  return std::string(util::as_text(sink.buffer));
}

Entry file(std::string path, std::uint64_t size = 0) {
  Entry entry;
  entry.path = std::move(path);
  entry.permissions = 04755;
  entry.uid = 1000;
  entry.gid = 100;
  entry.mtime = {1700000000, 0};
  entry.size = size;
  return entry;
}

void expect_same(const Entry& read, const Entry& written) {
  EXPECT_EQ(read.path, written.path);
  EXPECT_EQ(read.type, written.type);
  EXPECT_EQ(read.permissions, written.permissions);
  EXPECT_EQ(read.uid, written.uid);
  EXPECT_EQ(read.gid, written.gid);
  EXPECT_EQ(read.mtime, written.mtime);
  EXPECT_EQ(read.size, written.size);
  EXPECT_EQ(read.link_target, written.link_target);
  EXPECT_EQ(read.rdev_major, written.rdev_major);
  EXPECT_EQ(read.rdev_minor, written.rdev_minor);
  EXPECT_EQ(read.xattrs, written.xattrs);
}

// Writes, reads back and compares; returns the archive.
std::string round_trip(const Entry& entry, std::string_view data = {}) {
  const std::string archive = archive_of(entry, data);
  EXPECT_EQ(archive.size() % 10240, 0U);
  const ReadEntry read = read_one(archive);
  expect_same(read.entry, entry);
  EXPECT_EQ(read.data, data);
  return archive;
}

TEST(TarWriter, WhatUstarCanHoldNeedsNoExtendedHeader) {
  const std::string archive = round_trip(file("usr/bin/tool", 5), "hello");
  EXPECT_EQ(archive.substr(0, 12), "usr/bin/tool");
  EXPECT_EQ(archive.substr(100, 8), std::string("0004755\0", 8));
  EXPECT_EQ(archive.substr(124, 12), std::string("00000000005\0", 12));
  EXPECT_EQ(archive[156], '0');
  EXPECT_EQ(archive.substr(257, 8), std::string("ustar\00000", 8));
  EXPECT_EQ(archive.substr(512, 5), "hello");
}

TEST(TarWriter, EveryLengthOfPathComesBack) {
  for (const std::size_t len :
       {99U, 100U, 101U, 155U, 200U, 255U, 256U, 257U, 300U, 4000U, 4096U}) {
    std::string flat;
    while (flat.size() < len)
      flat += flat.size() % 51 == 50 && flat.size() + 1 < len ? '/' : 'a';
    SCOPED_TRACE(len);
    round_trip(file(flat));
  }
  round_trip(file(std::string(255, 'x')));
  round_trip(file(std::string(155, 'p') + "/" + std::string(100, 'n')));
  round_trip(file(std::string(156, 'p') + "/" + std::string(100, 'n')));
  Entry directory = file(std::string(99, 'd') + "/");
  directory.type = EntryType::kDirectory;
  round_trip(directory);
  directory.path = std::string(100, 'd') + "/";
  round_trip(directory);
}

TEST(TarWriter, NamesOfAnyBytesComeBack) {
  std::string name;
  for (int c = 1; c < 256; ++c)
    if (c != '/') name.push_back(static_cast<char>(c));
  round_trip(file(name));
  round_trip(file("short\n\xff\xfe"));
  Entry link = file("link");
  link.type = EntryType::kSymlink;
  link.link_target = name;
  round_trip(link);
}

TEST(TarWriter, OnlyNamesInRecordsThatAreNotUtf8AreSaidToBeBytes) {
  const auto says_so = [](const Entry& entry, const std::vector<util::ByteRange>& pieces = {}) {
    return archive_of(entry, {}, pieces).find("21 hdrcharset=BINARY\n") != std::string::npos;
  };
  const std::string long_name(120, 'x');
  for (const char* bad :
       {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x9f\xbf", "\x80"}) {
    EXPECT_TRUE(says_so(file(long_name + bad)));
    EXPECT_FALSE(says_so(file(bad))) << "ustar has no charset";
  }
  for (const char* good : {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8c\x8d", "\xed\x9f\xbf"})
    EXPECT_FALSE(says_so(file(long_name + good)));
  EXPECT_TRUE(says_so(file("sparse\xff", 1 << 20)));
  Entry link = file("link");
  link.type = EntryType::kSymlink;
  link.link_target = long_name + "\xff";
  EXPECT_TRUE(says_so(link));
}

TEST(TarWriter, OtherReadersTakeNamesOfAnyBytes) {
  TemporaryDirectory directory;
  Entry entry = file(std::string(120, 'x') + "\xff\xc0");
  {
    std::ofstream out(directory.path() + "/a.tar", std::ios::binary);
    out << archive_of(entry);
  }
  const std::string check =
      "import os, sys, tarfile; name = b'x' * 120 + bytes([255, 192]); "
      "sys.exit(os.fsencode(tarfile.open('a.tar').next().name) != name)";
  EXPECT_TRUE(run_in(directory.path(), "python3 -c \"" + check + "\""));
  EXPECT_TRUE(run_in(directory.path(),
                     "tar -xf a.tar 2>/dev/null && test -f \"$(printf 'x%.0s' $(seq 120); printf "
                     "'\\377\\300')\""));
}

TEST(TarWriter, TimesBefore1970AndAfter2242AndWithFractionsComeBack) {
  for (const util::Timestamp time : {util::Timestamp{0, 0},
                                     {0, 1},
                                     {-1, 999'999'999},
                                     {-1, 0},
                                     {-2, 500'000'000},
                                     {-86400LL * 365 * 100, 1},
                                     {std::numeric_limits<std::int64_t>::min(), 0},
                                     {std::numeric_limits<std::int64_t>::min(), 1},
                                     {std::numeric_limits<std::int64_t>::max(), 999'999'999},
                                     {8'589'934'591, 0},
                                     {8'589'934'592, 0},
                                     {1'700'000'000, 120'000'000}}) {
    Entry entry = file("f");
    entry.mtime = time;
    SCOPED_TRACE(pax_time(time));
    round_trip(entry);
  }
  EXPECT_EQ(pax_time({-1, 999'999'999}), "-0.000000001");
  EXPECT_EQ(pax_time({-2, 500'000'000}), "-1.5");
  EXPECT_EQ(pax_time({5, 120'000'000}), "5.12");
}

TEST(TarWriter, LargeNumbersComeBack) {
  Entry entry = file("f");
  entry.uid = 4294967295U;
  entry.gid = 2097152;
  round_trip(entry);
  Entry device = file("dev");
  device.type = EntryType::kBlockDevice;
  device.rdev_major = 4095;
  device.rdev_minor = 1048575;
  round_trip(device);
}

TEST(TarWriter, LinksAndFifosComeBack) {
  Entry link = file("a/hard");
  link.type = EntryType::kHardlink;
  link.link_target = std::string(300, 't');
  round_trip(link);
  link.type = EntryType::kFifo;
  link.link_target.clear();
  round_trip(link);
  link.type = EntryType::kSocket;
  EXPECT_THROW(archive_of(link), util::Error);
}

TEST(TarWriter, XattrsOfAnyBytesComeBackAlsoWithEqualsSignsInTheirNames) {
  Entry entry = file("f");
  entry.xattrs = {{"security.capability", std::string("\1\0\0\2\0\x20\0\0", 8)},
                  {"user.%3D", "not decoded twice"},
                  {"user.a=b%", "x\ny=z"},
                  {"user.empty", "e"},
                  {"user.large", std::string(65535, 'L')}};
  round_trip(entry);
}

// GNU tar --acls takes the text, and without it the xattr.
TEST(TarWriter, AclsAreThereAsTextToo) {
  Entry entry = file("f");
  entry.xattrs = {
      {"system.posix_acl_access",
       acl_xattr_from_text("user::rw-,user:7:r--,group::r--,mask::r--,other::---", false)},
      {"system.posix_acl_default", "no acl"}};
  round_trip(entry);
  const std::string archive = archive_of(entry);
  EXPECT_NE(archive.find(" SCHILY.acl.access=user::rw-,user:7:r--,group::r--,mask::r--,other::---"),
            std::string::npos);
  EXPECT_EQ(archive.find("SCHILY.acl.default"), std::string::npos);
}

TEST(TarWriter, HolesAreNotStored) {
  Entry entry = file("dir/sparse", std::uint64_t{100} << 30);
  const std::vector<util::ByteRange> pieces{{0, 5}, {std::uint64_t{50} << 30, 3}};
  const std::string archive = archive_of(entry, "abcdefgh", pieces);
  EXPECT_EQ(archive.size(), 10240U);
  std::vector<ReadEntry> all = read_archive(archive);
  ASSERT_EQ(all.size(), 1U);
  expect_same(all[0].entry, entry);
  EXPECT_EQ(all[0].pieces, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{
                               {0, 5}, {std::uint64_t{50} << 30, 3}}));
  const std::string hole = archive_of(entry);  // nothing but a hole
  EXPECT_EQ(read_archive(hole)[0].entry.size, entry.size);
}

TEST(TarWriter, EntriesFollowEachOther) {
  util::BufferSink sink;
  TarWriter writer(sink);
  for (int i = 0; i < 100; ++i) {
    const std::string data(static_cast<std::size_t>(i) * 37, 'd');
    writer.begin(file(util::concat("f", i), data.size()),
                 data.empty() ? std::vector<util::ByteRange>{}
                              : std::vector<util::ByteRange>{{0, data.size()}});
    writer.data(util::as_bytes(data));
    writer.end();
  }
  writer.finish();
  const auto all = read_archive(util::as_text(sink.buffer));
  ASSERT_EQ(all.size(), 100U);
  EXPECT_EQ(all[99].data.size(), 99U * 37);
}

// The witness: GNU tar unpacks a sparse file, a long name and a time exactly.
TEST(TarWriter, GnuTarUnpacksWhatIsWritten) {
  TemporaryDirectory directory;
  util::BufferSink sink;
  TarWriter writer(sink);
  Entry sparse = file("d/" + std::string(200, 's'), 10'000'000);
  sparse.mtime = {1'700'000'000, 123'456'789};
  writer.begin(sparse, {{4096, 4096}});
  writer.data(util::as_bytes(std::string(4096, 'x')));
  writer.end();
  writer.finish();
  std::ofstream(directory.path() + "/x.tar", std::ios::binary) << util::as_text(sink.buffer);
  EXPECT_TRUE(
      run_in(directory.path(),
             "tar -xf x.tar 2>err && test ! -s err && cd d && f=$(ls) &&"
             " test ${#f} = 200 && test $(stat -c %s \"$f\") = 10000000 &&"
             " test $(stat -c %.9Y \"$f\") = 1700000000.123456789 &&"
             " test $(tr -d '\\0' < \"$f\" | wc -c) = 4096 && test $(stat -c %b \"$f\") -lt 100"));
}

}  // namespace
}  // namespace ondemand::tar
