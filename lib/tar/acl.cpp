// SPDX-License-Identifier: Apache-2.0
#include "tar/acl.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "util/bytes.h"
#include "util/endian.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

using util::concat;
using util::ErrorCode;

constexpr std::uint32_t kAclVersion = 2;
constexpr std::uint32_t kNoId = 0xFFFFFFFF;
enum AclTag : std::uint16_t {
  kUserObj = 0x01,
  kUser = 0x02,
  kGroupObj = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20,
};

struct AclEntry {
  std::uint16_t tag = 0;
  std::uint32_t id = kNoId;
  std::uint16_t permissions = 0;
  // The kernel wants the tags ascending.
  auto order() const { return std::tie(tag, id); }
};

struct AclHeaderOnDisk {
  util::Le32 version;
};
struct AclEntryOnDisk {
  util::Le16 tag;
  util::Le16 permissions;
  util::Le32 id;
};
static_assert(sizeof(AclHeaderOnDisk) == 4 && sizeof(AclEntryOnDisk) == 8);

[[noreturn]] void fail(std::string_view entry, std::string_view reason) {
  throw util::Error(ErrorCode::kCorrupt, concat("acl ", util::printable(entry), ": ", reason));
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find_first_of(separators);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view trim(std::string_view text) {
  text = text.substr(0, text.find('#'));  // "#effective:r--"
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::uint16_t parse_permissions(std::string_view entry, std::string_view text) {
  std::uint16_t permissions = 0;
  if (text.size() > 3) fail(entry, "bad permissions");
  for (const char c : text) {
    switch (c) {
      case 'r':
        permissions |= 4;
        break;
      case 'w':
        permissions |= 2;
        break;
      case 'x':
        permissions |= 1;
        break;
      case '-':
        break;
      default:
        fail(entry, "bad permissions");
    }
  }
  return permissions;
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  const auto id = util::parse_u64(text);
  if (!id || *id >= kNoId) return std::nullopt;
  return static_cast<std::uint32_t>(*id);
}

AclEntry parse_entry(std::string_view text) {
  std::vector<std::string_view> parts = split(text, ":");
  if (parts[0] == "default") parts.erase(parts.begin());  // libarchive's mixed form
  // "mask:rwx" and "other:rwx" are the short forms.
  if (parts.size() == 2 && !parts[0].empty() && (parts[0][0] == 'm' || parts[0][0] == 'o'))
    parts.insert(parts.begin() + 1, std::string_view());
  if (parts.size() < 3 || parts.size() > 4) fail(text, "not tag:qualifier:permissions");

  AclEntry entry;
  entry.permissions = parse_permissions(text, parts[2]);
  const bool named = !parts[1].empty();
  if (parts[0] == "user" || parts[0] == "u") {
    entry.tag = named ? kUser : kUserObj;
  } else if (parts[0] == "group" || parts[0] == "g") {
    entry.tag = named ? kGroup : kGroupObj;
  } else if (!named && (parts[0] == "mask" || parts[0] == "m")) {
    entry.tag = kMask;
  } else if (!named && (parts[0] == "other" || parts[0] == "o")) {
    entry.tag = kOther;
  } else {
    fail(text, "unknown tag");
  }
  if (!named) return entry;

  const auto id = parse_id(parts.size() == 4 ? parts[3] : parts[1]);
  if (!id)
    throw util::Error(
        ErrorCode::kUnsupported,
        concat("acl ", util::printable(text), ": names a ", entry.tag == kUser ? "user" : "group",
               " without a number; pack with --numeric-owner"));
  entry.id = *id;
  return entry;
}

}  // namespace

std::string acl_xattr_from_text(std::string_view text, bool is_default) {
  std::vector<AclEntry> entries;
  for (const std::string_view part : split(text, ",\n")) {
    if (const std::string_view entry = trim(part); !entry.empty())
      entries.push_back(parse_entry(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const AclEntry& a, const AclEntry& b) { return a.order() < b.order(); });
  const auto same = [](const AclEntry& a, const AclEntry& b) { return a.order() == b.order(); };
  if (std::adjacent_find(entries.begin(), entries.end(), same) != entries.end())
    fail(text.substr(0, 200), "two entries for the same user or group");
  if (entries.empty() || (!is_default && entries.size() <= 3)) return {};

  std::string value;
  const AclHeaderOnDisk header{kAclVersion};
  value.append(util::as_text(util::object_bytes(header)));
  for (const AclEntry& entry : entries) {
    const AclEntryOnDisk disk{entry.tag, entry.permissions, entry.id};
    value.append(util::as_text(util::object_bytes(disk)));
  }
  return value;
}

std::optional<std::string> acl_text_from_xattr(std::string_view value) {
  util::ByteReader reader(util::as_bytes(value), "acl");
  constexpr std::size_t kHeader = sizeof(AclHeaderOnDisk);
  constexpr std::size_t kEntry = sizeof(AclEntryOnDisk);
  if (value.size() < kHeader || (value.size() - kHeader) % kEntry != 0) return std::nullopt;
  if (reader.read<AclHeaderOnDisk>("header").version != kAclVersion) return std::nullopt;
  std::string text;
  while (reader.remaining() > 0) {
    const auto entry = reader.read<AclEntryOnDisk>("entry");
    if (entry.permissions > 7) return std::nullopt;
    text += text.empty() ? "" : ",";
    switch (std::uint16_t{entry.tag}) {
      case kUserObj:
        text += "user::";
        break;
      case kUser:
        text += concat("user:", std::uint32_t{entry.id}, ":");
        break;
      case kGroupObj:
        text += "group::";
        break;
      case kGroup:
        text += concat("group:", std::uint32_t{entry.id}, ":");
        break;
      case kMask:
        text += "mask::";
        break;
      case kOther:
        text += "other::";
        break;
      default:
        return std::nullopt;
    }
    const std::uint16_t permissions = entry.permissions;
    for (int bit = 2; bit >= 0; --bit)
      text += (permissions >> bit & 1) != 0 ? "xwr"[bit] : '-';
  }
  // Twice the same user, users without a number, another order: not what readers make of the text.
  try {
    if (text.empty() || acl_xattr_from_text(text, true) != value) return std::nullopt;
  } catch (const util::Error&) {
    return std::nullopt;
  }
  return text;
}

}  // namespace ondemand::tar
