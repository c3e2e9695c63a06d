// SPDX-License-Identifier: Apache-2.0
// Archives that must be refused, each with the code and with the entry's name in the message.
#include <gmock/gmock.h>

#include "support/tar_literal.h"
#include "tar/pax.h"
#include "tar/tar_reader.h"
#include "unit/tar/read_archive.h"

namespace ondemand::tar {
namespace {

using testing::HasSubstr;
using testing_support::pax_member;
using testing_support::pax_record;
using testing_support::tar_block;
using testing_support::tar_end;
using testing_support::tar_member;
using testing_support::TarHeader;
using util::ErrorCode;

TarHeader patched(std::size_t offset, const std::string& bytes, char type = '0') {
  TarHeader out;
  out.path = "victim";
  out.type = type;
  out.patches = {{offset, bytes}};
  return out;
}

void expect_error(const std::string& archive, ErrorCode code, const std::string& text) {
  const util::Error error = read_error(archive);
  EXPECT_EQ(error.code(), code) << error.what();
  EXPECT_THAT(error.message(), HasSubstr("a.tar: ")) << error.what();
  EXPECT_THAT(error.message(), HasSubstr(text));
}

TEST(BadArchive, IsNoTar) {
  expect_error("", ErrorCode::kCorrupt, "not a tar archive");
  expect_error("short", ErrorCode::kCorrupt, "not a tar archive");
  expect_error(std::string(5000, 'x'), ErrorCode::kCorrupt, "not a tar archive");
  // A file system image begins with zeros.
  expect_error(std::string(1024, '\0') + "\xE2\xE1\xF5\xE0" + std::string(3000, '\0'),
               ErrorCode::kCorrupt, "not a tar archive");
}

TEST(BadArchive, IsZerosThatNoTarWrites) {
  for (const std::size_t size : {1u, 512u, 700u, 1300u, 10752u, 100000u})
    expect_error(std::string(size, '\0'), ErrorCode::kCorrupt, "not a tar archive");
}

TEST(BadArchive, HasABlockOfZerosBetweenEntries) {
  const std::string member = tar_member(patched(0, "victim"), "data");
  expect_error(member + std::string(512, '\0') + member + tar_end(), ErrorCode::kCorrupt,
               "a block of zeros between entries");
  std::string second = member;
  second.replace(0, 512, 512, '\0');
  expect_error(member + second + member + tar_end(), ErrorCode::kCorrupt, "block of zeros");
}

TEST(BadArchive, HasGlobalHeadersThatAreTooLarge) {
  const std::string value(40000, 'v');
  const std::string one = pax_member(pax_record("SCHILY.xattr.user.a", value), 'g');
  const std::string two = pax_member(pax_record("SCHILY.xattr.user.b", value), 'g');
  EXPECT_EQ(read_archive(one + one + tar_member(TarHeader())).size(), 1u);
  expect_error(one + two + tar_member(TarHeader()), ErrorCode::kTooLarge, "global extended");
  expect_error(pax_member(pax_record("comment", value + value), 'g') + tar_member(TarHeader()),
               ErrorCode::kTooLarge, "extended header of");
}

TEST(BadArchive, HasLargeGlobalHeadersForManyEntries) {
  const std::string global =
      pax_member(pax_record("SCHILY.xattr.user.a", std::string(60000, 'v')), 'g');
  std::string members;
  for (int i = 0; i < 6000; ++i)
    members += tar_member(TarHeader());
  EXPECT_EQ(read_archive(members + tar_end()).size(), 6000u);
  expect_error(global + members + tar_end(), ErrorCode::kTooLarge, "too many for so many entries");
}

TEST(BadArchive, IsTruncatedAnywhereButBetweenTwoEntries) {
  TarHeader file;
  file.path = "f";
  const std::string first = tar_member(file, std::string(700, 'x'));
  const std::string archive = first + pax_member(pax_record("path", "g")) + tar_member(file, "y");
  for (std::size_t len = 0; len < archive.size(); ++len) {
    if (len == first.size()) continue;
    EXPECT_EQ(read_error(archive.substr(0, len)).code(), ErrorCode::kCorrupt) << len;
  }
}

TEST(BadArchive, IsDamagedBehindItsFirstHeader) {
  TarHeader file;
  expect_error(tar_member(file, "x") + std::string(512, 'g'), ErrorCode::kCorrupt,
               "read entry at byte 1024: header checksum does not match");
}

TEST(BadArchive, HasNumbersThatMakeNoSense) {
  expect_error(tar_member(patched(124, std::string(12, '\xFF'))), ErrorCode::kCorrupt,
               "size -1: negative");
  expect_error(tar_member(patched(124, std::string("\x80") + std::string(11, '\x7F'))),
               ErrorCode::kCorrupt, "does not fit 64 bits");
  expect_error(tar_member(patched(108, "hello")), ErrorCode::kCorrupt, "field uid");
  expect_error(tar_member(patched(108, std::string(8, '\xFF'))), ErrorCode::kUnsupported,
               "(victim): uid -1");
  expect_error(tar_member(patched(116, std::string("\x80\0\0\x01\0\0\0\0", 8))),
               ErrorCode::kUnsupported, "(victim): gid 4294967296");
  expect_error(pax_member(pax_record("uid", "-2")) + tar_member(patched(0, "victim")),
               ErrorCode::kUnsupported, "uid -2");
  expect_error(
      pax_member(pax_record("size", "9223372036854775807")) + tar_member(patched(0, "victim")),
      ErrorCode::kCorrupt, "truncated");
  expect_error(
      pax_member(pax_record("size", "99999999999999999999")) + tar_member(patched(0, "victim")),
      ErrorCode::kCorrupt, "pax record size: too large: does not fit 64 bits");
  expect_error(
      pax_member(pax_record("uid", "-99999999999999999999")) + tar_member(patched(0, "victim")),
      ErrorCode::kCorrupt, "pax record uid: too small: does not fit 64 bits");
  expect_error(
      pax_member(pax_record("size", "99999999999999999999x")) + tar_member(patched(0, "victim")),
      ErrorCode::kCorrupt, "pax record size: not a decimal number");
}

TEST(BadArchive, HasNamesThatMakeNoSense) {
  expect_error(tar_member(patched(0, std::string(7, '\0'))), ErrorCode::kCorrupt, "path: empty");
  expect_error(
      pax_member(pax_record("path", std::string("a\0b", 3))) + tar_member(patched(0, "victim")),
      ErrorCode::kCorrupt, "NUL");
  expect_error(
      pax_member(pax_record("path", std::string(4097, 'a'))) + tar_member(patched(0, "victim")),
      ErrorCode::kUnsupported, "4097 bytes long");
  expect_error(tar_member(patched(0, "victim", '2')), ErrorCode::kCorrupt, "link target: empty");
  TarHeader name;
  name.type = 'L';
  expect_error(tar_member(name, std::string("a\0b", 3)) + tar_member(patched(0, "victim")),
               ErrorCode::kCorrupt, "NUL");
  name.size = 1u << 20;
  expect_error(tar_block(name), ErrorCode::kTooLarge, "extended header");
}

TEST(BadArchive, HasExtendedHeadersThatLeadNowhere) {
  expect_error(pax_member(pax_record("path", "x")), ErrorCode::kCorrupt, "behind an extended");
  expect_error(pax_member(pax_record("path", "x")) + tar_end(), ErrorCode::kCorrupt,
               "behind an extended");
  for (const std::string records : {"12 path=x\n", "9 path=x", "x", "5 a=\n ", "3 =\n",
                                    "18446744073709551615 a=b\n", "-5 a=b\n"})
    expect_error(pax_member(records) + tar_member(TarHeader()), ErrorCode::kCorrupt, "pax record");
}

TEST(BadArchive, HasTooManyOrBadXattrs) {
  const std::string big(100000, 'v');
  std::string records;
  for (char c = 'a'; c < 'm'; ++c)
    records += pax_record(std::string("SCHILY.xattr.user.") + c, big);
  expect_error(pax_member(records) + tar_member(TarHeader()), ErrorCode::kTooLarge,
               "extended attributes");
  expect_error(pax_member(pax_record("SCHILY.xattr.", "v")) + tar_member(TarHeader()),
               ErrorCode::kCorrupt, "attribute name");
  expect_error(pax_member(pax_record("LIBARCHIVE.xattr.user.a", "!!")) + tar_member(TarHeader()),
               ErrorCode::kCorrupt, "not base64");
}

TEST(BadArchive, HasSparseMapsThatMakeNoSense) {
  const auto sparse = [](const std::string& map, const std::string& size = "100") {
    return pax_member(pax_record("GNU.sparse.size", size) + pax_record("GNU.sparse.map", map)) +
           tar_member(TarHeader(), "abcdef");
  };
  expect_error(sparse("50,3,10,3"), ErrorCode::kCorrupt, "overlap");
  expect_error(sparse("0,4,2,2"), ErrorCode::kCorrupt, "overlap");
  expect_error(sparse("97,6"), ErrorCode::kCorrupt, "outside");
  expect_error(sparse("18446744073709551615,6"), ErrorCode::kCorrupt, "outside");
  expect_error(sparse("0,5"), ErrorCode::kCorrupt, "6 bytes are stored");
  expect_error(sparse("0"), ErrorCode::kCorrupt, "without a length");
  expect_error(sparse("0,-6"), ErrorCode::kCorrupt, "not a decimal");
  expect_error(sparse("0,6", "-1"), ErrorCode::kCorrupt, "without its size");
  const std::string one = pax_record("GNU.sparse.major", "1") +
                          pax_record("GNU.sparse.minor", "0") +
                          pax_record("GNU.sparse.realsize", "100");
  expect_error(pax_member(one) + tar_member(TarHeader(), "2\nx\n"), ErrorCode::kCorrupt,
               "bad number");
  expect_error(pax_member(one) + tar_member(TarHeader(), "9000000\n0\n"), ErrorCode::kTooLarge,
               "too many pieces");
  expect_error(pax_member(one + pax_record("GNU.sparse.minor", "7")) + tar_member(TarHeader(), "x"),
               ErrorCode::kUnsupported, "sparse format 1.7");
}

TEST(BadArchive, SpansVolumes) {
  expect_error(tar_member(patched(0, "victim", 'M')), ErrorCode::kUnsupported, "another volume");
  for (const char type : {'x', 'g'})
    expect_error(pax_member(pax_record("GNU.volume.label", "l Volume 2") +
                                pax_record("GNU.volume.filename", "big"),
                            type) +
                     tar_member(patched(0, "GNUFileParts/big.2")),
                 ErrorCode::kUnsupported, "continues a file from another volume");
}

TEST(BadArchive, PrintsHostileNamesHarmlessly) {
  const std::string name = "a\x1B[31m\n";
  const util::Error error = read_error(
      pax_member(pax_record("path", name) + pax_record("uid", "-1")) + tar_member(TarHeader()));
  EXPECT_THAT(error.message(), HasSubstr("a\\x1b[31m\\x0a"));
}

}  // namespace
}  // namespace ondemand::tar
