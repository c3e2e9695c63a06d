// SPDX-License-Identifier: Apache-2.0
#include "tar/header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

using util::Bytes;

struct Field {
  std::size_t offset;
  std::size_t len;
  Bytes in(Bytes block) const { return block.subspan(offset, len); }
};

// Source: POSIX.1-2017 pax, table "ustar Header Block".
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kMtime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr Field kType{156, 1};
constexpr Field kLinkName{157, 100};
constexpr Field kMagic{257, 6};
constexpr Field kDevMajor{329, 8};
constexpr Field kDevMinor{337, 8};
constexpr Field kPrefix{345, 155};
constexpr Field kStarPrefix{345, 131};  // atime and ctime lie behind it
constexpr Field kStarMagic{508, 4};

std::string text_of(Bytes field) {
  const auto end = std::find(field.begin(), field.end(), std::uint8_t{0});
  return {field.begin(), end};
}

[[noreturn]] void fail(std::string_view field, std::string_view reason) {
  throw util::Error(util::ErrorCode::kCorrupt, util::concat("field ", field, ": ", reason));
}

std::int64_t parse_base256(Bytes bytes, std::string_view field) {
  // Big-endian two's complement; the top bit only marks the form, the next one is the sign.
  const bool negative = (bytes[0] & 0x40) != 0;
  std::int64_t value = negative ? -1 : 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::int64_t kRoom = std::numeric_limits<std::int64_t>::max() / 256;
    if (value > kRoom || value < -kRoom - 1) fail(field, "number does not fit 64 bits");
    std::uint8_t byte = bytes[i];
    if (i == 0) byte = negative ? byte | 0x80 : byte & 0x7F;
    value = value * 256 + byte;
  }
  return value;
}

Dialect dialect_of(Bytes block) {
  const std::string_view magic = util::as_text(kMagic.in(block));
  if (!magic.starts_with("ustar")) return Dialect::kV7;
  if (magic[5] == ' ') return Dialect::kGnu;
  const std::string_view star = util::as_text(kStarMagic.in(block));
  return star == std::string_view("tar\0", 4) ? Dialect::kStar : Dialect::kUstar;
}

}  // namespace

bool is_zero_block(Bytes block) {
  return std::all_of(block.begin(), block.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::int64_t parse_number(Bytes bytes, std::string_view field) {
  if ((bytes[0] & 0x80) != 0) return parse_base256(bytes, field);
  std::size_t i = 0;
  while (i < bytes.size() && bytes[i] == ' ')
    ++i;
  std::int64_t value = 0;
  for (; i < bytes.size() && bytes[i] >= '0' && bytes[i] <= '7'; ++i)
    value = value * 8 + (bytes[i] - '0');  // 12 digits are 36 bits
  if (i < bytes.size() && bytes[i] != ' ' && bytes[i] != 0) fail(field, "not an octal number");
  return value;
}

bool has_header_checksum(Bytes block) {
  const Bytes field = kChecksum.in(block);
  std::int64_t want = 0;
  try {
    want = parse_number(field, "checksum");
  } catch (const util::Error&) {
    return false;  // an expected outcome: this is how one tells a header from other bytes
  }
  std::int64_t sum = 0;
  std::int64_t signed_sum = 0;  // some old programs added signed characters
  for (const std::uint8_t byte : block) {
    sum += byte;
    signed_sum += static_cast<std::int8_t>(byte);
  }
  for (const std::uint8_t byte : field) {
    sum += ' ' - byte;
    signed_sum += ' ' - static_cast<std::int8_t>(byte);
  }
  return want == sum || want == signed_sum;
}

Header parse_header(Bytes block) {
  Header header;
  header.dialect = dialect_of(block);
  header.type = static_cast<char>(block[kType.offset]);
  header.path = text_of(kName.in(block));
  header.link_target = text_of(kLinkName.in(block));
  if (header.dialect == Dialect::kUstar || header.dialect == Dialect::kStar) {
    const std::string prefix =
        text_of((header.dialect == Dialect::kStar ? kStarPrefix : kPrefix).in(block));
    if (!prefix.empty()) header.path = prefix + "/" + header.path;
  }
  header.mode = parse_number(kMode.in(block), "mode");
  header.uid = parse_number(kUid.in(block), "uid");
  header.gid = parse_number(kGid.in(block), "gid");
  header.size = parse_number(kSize.in(block), "size");
  header.mtime = parse_number(kMtime.in(block), "mtime");
  if (header.type == '3' || header.type == '4') {
    header.rdev_major = parse_number(kDevMajor.in(block), "device major");
    header.rdev_minor = parse_number(kDevMinor.in(block), "device minor");
  }
  return header;
}

}  // namespace ondemand::tar
