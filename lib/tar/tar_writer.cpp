// SPDX-License-Identifier: Apache-2.0
#include "tar/tar_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "tar/acl.h"
#include "tar/header.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

using util::concat;

constexpr std::uint64_t kRecord = 20 * kBlock;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kPrefixBytes = 155;
constexpr std::int64_t kNumberMax = 07777777;          // mode, uid, gid, device numbers
constexpr std::int64_t kLongNumberMax = 077777777777;  // size, mtime

void put(util::MutableBytes block, std::size_t offset, std::string_view text) {
  std::copy(text.begin(), text.end(), block.begin() + static_cast<std::ptrdiff_t>(offset));
}

// `digits` octal digits and a NUL.
void put_octal(util::MutableBytes block, std::size_t offset, std::size_t digits,
               std::uint64_t value) {
  for (std::size_t i = digits; i-- > 0; value >>= 3)
    block[offset + i] = static_cast<std::uint8_t>('0' + (value & 7));
}

// Where a path is cut into prefix and name; npos when it does not fit, 0 when no prefix is needed.
std::size_t split_path(std::string_view path) {
  if (path.size() <= kNameBytes) return 0;
  if (path.size() > kPrefixBytes + 1 + kNameBytes) return std::string_view::npos;
  // The first slash that leaves a name that fits, so that the prefix is as short as can be.
  const std::size_t slash = path.find('/', path.size() - kNameBytes - 1);
  if (slash == std::string_view::npos || slash > kPrefixBytes || slash + 1 == path.size() ||
      slash == 0)
    return std::string_view::npos;
  return slash;
}

// The length counts itself.
void add_record(std::string& records, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t len = rest + 1;
  while (len != rest + concat(len).size())
    len = rest + concat(len).size();
  records += concat(len, " ", key, "=", value, "\n");
}

// As GNU tar does: an equals sign would end the key.
std::string xattr_key(std::string_view name) {
  std::string key = "SCHILY.xattr.";
  for (const char c : name) {
    if (c == '%')
      key += "%25";
    else if (c == '=')
      key += "%3D";
    else
      key += c;
  }
  return key;
}

// Numbers that fit the header stand there; others in a record, and the header says 0.
std::uint64_t number(std::string& records, std::string_view key, std::int64_t value,
                     std::int64_t limit) {
  if (value >= 0 && value <= limit) return static_cast<std::uint64_t>(value);
  add_record(records, key, concat(value));
  return 0;
}

char type_letter(EntryType type) {
  switch (type) {
    case EntryType::kRegular:
      return '0';
    case EntryType::kHardlink:
      return '1';
    case EntryType::kSymlink:
      return '2';
    case EntryType::kCharDevice:
      return '3';
    case EntryType::kBlockDevice:
      return '4';
    case EntryType::kDirectory:
      return '5';
    case EntryType::kFifo:
      return '6';
    case EntryType::kSocket:
      break;
  }
  throw util::Error(util::ErrorCode::kUnsupported, "write tar entry: tar has no sockets");
}

// Source: The Unicode Standard, table 3-7 (well-formed UTF-8 byte sequences).
bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<std::uint8_t>(text[i++]);
    if (first < 0x80) continue;
    if (first < 0xC2 || first > 0xF4) return false;
    const unsigned more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    // The second byte's range keeps out what is too long, surrogates, and what is above U+10FFFF.
    std::uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    std::uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    for (unsigned k = 0; k < more; ++k, low = 0x80, high = 0xBF) {
      if (i == text.size()) return false;
      const auto next = static_cast<std::uint8_t>(text[i++]);
      if (next < low || next > high) return false;
    }
  }
  return true;
}

// Records are UTF-8 unless one in front of them says that names are bytes.
void say_charset(std::string& records, const Entry& entry) {
  const bool has_path = records.find(" path=") != std::string::npos ||
                        records.find(" GNU.sparse.name=") != std::string::npos;
  const bool has_link = records.find(" linkpath=") != std::string::npos;
  if ((!has_path || is_utf8(entry.path)) && (!has_link || is_utf8(entry.link_target))) return;
  std::string charset;
  add_record(charset, "hdrcharset", "BINARY");
  records.insert(0, charset);
}

std::string_view last_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/'))
    path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);  // npos + 1 == 0
}

// A short stand-in that old readers see; the record has the real one.
std::string short_name(std::string_view directory, std::string_view path) {
  return concat(directory, last_name(path).substr(0, kNameBytes - directory.size()));
}

// Decimal lines in front of the data, padded to a block.
std::string sparse_map(const std::vector<util::ByteRange>& pieces, std::uint64_t size) {
  const bool ends_in_hole = pieces.empty() || pieces.back().end() < size;
  std::string map = concat(pieces.size() + (ends_in_hole ? 1 : 0), "\n");
  for (const util::ByteRange& piece : pieces)
    map += concat(piece.offset, "\n", piece.len, "\n");
  if (ends_in_hole) map += concat(size, "\n0\n");
  map.resize(util::round_up(map.size(), std::size_t{kBlock}));
  return map;
}

}  // namespace

struct TarWriter::Header {
  char type = '0';
  std::string path;
  std::string link;
  std::uint64_t permissions = 0;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t mtime = 0;
  std::uint64_t rdev_major = 0;
  std::uint64_t rdev_minor = 0;
};

std::string pax_time(util::Timestamp time) {
  if (time.nsec == 0) return concat(time.sec);
  std::int64_t sec = time.sec;
  std::uint32_t nsec = time.nsec;
  const bool negative = sec < 0;
  if (negative) {  // toward zero, and the rest with the same sign
    sec = -(sec + 1);
    nsec = 1'000'000'000 - nsec;
  }
  std::string digits = concat(std::uint64_t{1'000'000'000} + nsec).substr(1);
  digits.erase(digits.find_last_not_of('0') + 1);
  return concat(negative ? "-" : "", sec, ".", digits);
}

void TarWriter::write(util::Bytes bytes) {
  out_.write(bytes);
  written_ += bytes.size();
}

void TarWriter::pad_block() {
  const std::array<std::uint8_t, kBlock> zeros{};
  if (const std::uint64_t over = written_ % kBlock; over != 0)
    write(util::Bytes(zeros).first(static_cast<std::size_t>(kBlock - over)));
}

// Offsets.  Source: POSIX.1-2017 pax, table "ustar Header Block".
void TarWriter::write_header(const Header& header) {
  std::array<std::uint8_t, kBlock> block{};
  std::string_view path = header.path;
  if (const std::size_t slash = split_path(path); slash != 0) {
    ASSERT(slash != std::string_view::npos);
    put(block, 345, path.substr(0, slash));
    path.remove_prefix(slash + 1);
  }
  put(block, 0, path);
  put_octal(block, 100, 7, header.permissions);
  put_octal(block, 108, 7, header.uid);
  put_octal(block, 116, 7, header.gid);
  put_octal(block, 124, 11, header.size);
  put_octal(block, 136, 11, header.mtime);
  put(block, 148, "        ");
  block[156] = static_cast<std::uint8_t>(header.type);
  put(block, 157, header.link);
  put(block, 257, std::string_view("ustar\00000", 8));
  if (header.type == '3' || header.type == '4') {
    put_octal(block, 329, 7, header.rdev_major);
    put_octal(block, 337, 7, header.rdev_minor);
  }
  std::uint64_t sum = 0;
  for (const std::uint8_t byte : block)
    sum += byte;
  put_octal(block, 148, 6, sum);
  block[154] = 0;
  write(block);
}

void TarWriter::write_extended(std::string_view records, std::string_view path) {
  Header header;
  header.type = 'x';
  header.path = short_name("PaxHeaders/", path);
  header.permissions = 0644;
  header.size = records.size();
  if (records.size() > static_cast<std::uint64_t>(kLongNumberMax))
    throw util::Error(util::ErrorCode::kTooLarge, "write tar entry: extended header is too long");
  write_header(header);
  write(util::as_bytes(records));
  pad_block();
}

// Fills in everything but the path and the size; what does not fit becomes a record.
void TarWriter::fill_attributes(const Entry& entry, Header& header, std::string& records) {
  header.type = type_letter(entry.type);
  header.permissions = entry.permissions;
  header.uid = number(records, "uid", entry.uid, kNumberMax);
  header.gid = number(records, "gid", entry.gid, kNumberMax);
  header.rdev_major = number(records, "SCHILY.devmajor", entry.rdev_major, kNumberMax);
  header.rdev_minor = number(records, "SCHILY.devminor", entry.rdev_minor, kNumberMax);
  const std::int64_t sec = std::clamp<std::int64_t>(entry.mtime.sec, 0, kLongNumberMax);
  if (entry.mtime.nsec != 0 || entry.mtime.sec != sec)
    add_record(records, "mtime", pax_time(entry.mtime));
  header.mtime = static_cast<std::uint64_t>(sec);
  header.link = entry.link_target;
  if (header.link.size() > kNameBytes) {
    add_record(records, "linkpath", header.link);
    header.link.resize(kNameBytes);
  }
  for (const Xattr& xattr : entry.xattrs) {
    add_record(records, xattr_key(xattr.name), xattr.value);
    // tar --acls sets what is said so, and else takes away what the xattr gave.
    const bool is_default = xattr.name == kAclDefaultXattr;
    if (!is_default && xattr.name != kAclAccessXattr) continue;
    if (const auto text = acl_text_from_xattr(xattr.value))
      add_record(records, is_default ? "SCHILY.acl.default" : "SCHILY.acl.access", *text);
  }
}

void TarWriter::begin(const Entry& entry, const std::vector<util::ByteRange>& pieces) {
  ASSERT(left_ == 0 && written_ % kBlock == 0);
  constexpr auto kSizeMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (entry.size > kSizeMax)
    throw util::Error(util::ErrorCode::kTooLarge, "write tar entry: file is over 2^63 - 1 bytes");
  Header header;
  std::string records;
  fill_attributes(entry, header, records);

  std::uint64_t stored = 0;
  for (const util::ByteRange& piece : pieces)
    stored += piece.len;
  std::string map;
  if (entry.type == EntryType::kRegular && stored != entry.size) {
    map = sparse_map(pieces, entry.size);
    add_record(records, "GNU.sparse.major", "1");
    add_record(records, "GNU.sparse.minor", "0");
    add_record(records, "GNU.sparse.name", entry.path);
    add_record(records, "GNU.sparse.realsize", concat(entry.size));
    header.path = short_name("GNUSparseFile.0/", entry.path);
  } else if (split_path(entry.path) == std::string_view::npos) {
    add_record(records, "path", entry.path);
    header.path = entry.path.substr(0, kNameBytes);
  } else {
    header.path = entry.path;
  }
  say_charset(records, entry);
  const std::uint64_t size = util::checked_add<std::uint64_t>(map.size(), stored);
  header.size = number(records, "size", util::narrow<std::int64_t>(size), kLongNumberMax);
  if (!records.empty()) write_extended(records, entry.path);
  write_header(header);
  write(util::as_bytes(map));
  left_ = stored;
}

void TarWriter::data(util::Bytes bytes) {
  ASSERT(bytes.size() <= left_);
  left_ -= bytes.size();
  write(bytes);
}

void TarWriter::end() {
  ASSERT(left_ == 0);
  pad_block();
}

void TarWriter::finish() {
  ASSERT(left_ == 0 && written_ % kBlock == 0);
  const std::uint64_t end = util::div_round_up(written_ + 2 * kBlock, kRecord) * kRecord;
  const util::Buffer zeros(static_cast<std::size_t>(end - written_));
  write(zeros);
}

}  // namespace ondemand::tar
