// SPDX-License-Identifier: Apache-2.0
#include "tar/entry_fields.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "tar/acl.h"
#include "tar/unfit_entry.h"
#include "util/align.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

using util::concat;
using util::Error;
using util::ErrorCode;

[[noreturn]] void corrupt(std::string_view reason) {
  throw Error(ErrorCode::kCorrupt, std::string(reason));
}

std::uint32_t to_id(std::int64_t value, std::string_view field) {
  if (!std::in_range<std::uint32_t>(value))
    throw UnfitEntry(ErrorCode::kUnsupported, concat(field, " ", value, ": does not fit 32 bits"));
  return static_cast<std::uint32_t>(value);
}

const std::string& link_of(const RawEntry& raw) {
  if (raw.pax.link_target) return *raw.pax.link_target;
  return raw.has_long_link ? raw.long_link : raw.header.link_target;
}

void check_name(std::string_view name, std::string_view what, std::size_t limit) {
  if (name.empty()) corrupt(concat(what, ": empty"));
  if (name.find('\0') != std::string_view::npos) corrupt(concat(what, ": NUL in the name"));
  if (name.size() > limit)
    throw UnfitEntry(ErrorCode::kUnsupported,
                     concat(what, ": ", name.size(), " bytes long, the limit is ", limit));
}

// The largest go, so that the fewest do.
void limit_xattrs(RawEntry& raw, const Entry& entry, const TarReader::OnLoss& on_loss) {
  std::size_t total = xattr_bytes(raw.pax);
  if (total <= kMaxXattrBytes) return;
  const std::string reason = concat(total, " bytes, the limit is ", kMaxXattrBytes);
  if (!on_loss) throw Error(ErrorCode::kTooLarge, "extended attributes: " + reason);
  using Position = decltype(raw.pax.xattrs)::iterator;
  const auto size = [](Position xattr) { return xattr->first.size() + xattr->second.size(); };
  std::vector<Position> by_size;
  for (auto xattr = raw.pax.xattrs.begin(); xattr != raw.pax.xattrs.end(); ++xattr)
    by_size.push_back(xattr);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](Position a, Position b) { return size(a) > size(b); });
  for (const Position xattr : by_size) {
    if (total <= kMaxXattrBytes) return;
    total -= size(xattr);
    const std::string name = util::printable(std::string_view(xattr->first).substr(0, 256));
    on_loss({entry.path, concat("xattr ", name, ": one of ", reason)});
    raw.pax.xattrs.erase(xattr);
  }
}

void fill_xattrs(RawEntry& raw, Entry& entry, const TarReader::OnLoss& on_loss) {
  limit_xattrs(raw, entry, on_loss);
  if (!raw.pax.acl_nfs4.empty()) {
    const char* const reason = "acl ace: erofs has no place for an NFSv4 ACL";
    if (!on_loss) throw Error(ErrorCode::kUnsupported, reason);
    on_loss({entry.path, reason});
  }
  const auto add_acl = [&](const std::string& text, std::string_view name, bool is_default) {
    // The binary form, where it is there too, says it exactly: with numbers for all names.
    if (text.empty() || raw.pax.xattrs.contains(std::string(name))) return;
    std::string value;
    try {
      value = acl_xattr_from_text(text, is_default);
    } catch (const Error& error) {
      if (!on_loss || error.code() != ErrorCode::kUnsupported) throw;
      on_loss({entry.path, error.message()});
      return;
    }
    if (!value.empty()) raw.pax.xattrs.try_emplace(std::string(name), std::move(value));
  };
  add_acl(raw.pax.acl_access, kAclAccessXattr, false);
  add_acl(raw.pax.acl_default, kAclDefaultXattr, true);
  entry.xattrs.clear();
  entry.xattrs.reserve(raw.pax.xattrs.size());
  for (auto& [name, value] : raw.pax.xattrs)
    entry.xattrs.push_back({name, std::move(value)});
}

}  // namespace

const std::string& path_of(const RawEntry& raw) {
  if (raw.pax.sparse_name) return *raw.pax.sparse_name;
  if (raw.pax.path) return *raw.pax.path;
  return raw.has_long_name ? raw.long_name : raw.header.path;
}

EntryType type_of(const RawEntry& raw, bool& known) {
  known = true;
  switch (raw.header.type) {
    case '1':
      return EntryType::kHardlink;
    case '2':
      return EntryType::kSymlink;
    case '3':
      return EntryType::kCharDevice;
    case '4':
      return EntryType::kBlockDevice;
    case '5':
    case 'D':  // GNU dumpdir: its data is a list of names
      return EntryType::kDirectory;
    case '6':
      return EntryType::kFifo;
    case '\0':
    case '0':
      // V7 archives had no type for directories.
      return path_of(raw).ends_with('/') ? EntryType::kDirectory : EntryType::kRegular;
    case '7':
    case 'S':
      return EntryType::kRegular;
    default:
      // Source: POSIX.1-2017 pax: unknown types are taken for regular files.
      known = false;
      return EntryType::kRegular;
  }
}

bool hardlink_has_data(const Header& header, std::uint64_t stored, BlockInput& input) {
  if (header.dialect == Dialect::kV7 || header.dialect == Dialect::kGnu) return false;
  const util::Bytes next = input.peek(kBlock);
  if (next.size() < kBlock || has_header_checksum(next)) return false;
  if (!is_zero_block(next)) return true;
  if (header.dialect != Dialect::kUstar) return false;

  // Either the end mark or data that begins with zeros: what lies behind the data decides.
  constexpr std::size_t kLimit = BlockInput::kBufferSize;
  if (stored > kLimit - 2 * kBlock) return input.peek(kLimit).size() == kLimit;
  const auto rounded = static_cast<std::size_t>(util::round_up<std::uint64_t>(stored, kBlock));
  const util::Bytes seen = input.peek(rounded + kBlock);
  if (seen.size() < rounded) return false;
  if (seen.size() < rounded + kBlock) return !is_zero_block(seen);
  const util::Bytes behind = seen.subspan(rounded);
  return is_zero_block(behind) || has_header_checksum(behind);
}

TarReader::Loss loss_of(RawEntry& raw, const std::string& reason) {
  bool known_type = false;
  TarReader::Loss loss{path_of(raw), reason, true, type_of(raw, known_type)};
  if (loss.type == EntryType::kCharDevice || loss.type == EntryType::kBlockDevice) {
    const auto clip = [](std::int64_t value) {
      return std::in_range<std::uint32_t>(value) ? static_cast<std::uint32_t>(value) : UINT32_MAX;
    };
    loss.rdev_major = clip(raw.pax.rdev_major.value_or(raw.header.rdev_major));
    loss.rdev_minor = clip(raw.pax.rdev_minor.value_or(raw.header.rdev_minor));
  }
  for (auto& [name, value] : raw.pax.xattrs)
    loss.xattrs.push_back({name, std::move(value)});
  return loss;
}

void clear_owner(RawEntry& raw) {
  for (auto* id : {&raw.pax.uid, &raw.pax.gid})
    if (*id && !std::in_range<std::uint32_t>(**id)) *id = 0;
  for (auto* id : {&raw.header.uid, &raw.header.gid})
    if (!std::in_range<std::uint32_t>(*id)) *id = 0;
}

void fill_entry(RawEntry& raw, Entry& entry, const TarReader::OnLoss& on_loss) {
  entry.path = path_of(raw);
  check_name(entry.path, "path", kMaxPathBytes);
  entry.link_target.clear();
  if (entry.type == EntryType::kHardlink || entry.type == EntryType::kSymlink) {
    entry.link_target = link_of(raw);
    check_name(entry.link_target, "link target", kMaxPathBytes - 1);
  }
  entry.permissions = static_cast<std::uint16_t>(raw.header.mode & 07777);
  entry.uid = to_id(raw.pax.uid.value_or(raw.header.uid), "uid");
  entry.gid = to_id(raw.pax.gid.value_or(raw.header.gid), "gid");
  entry.mtime = raw.pax.mtime.value_or(util::Timestamp{raw.header.mtime, 0});
  entry.rdev_major = 0;
  entry.rdev_minor = 0;
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    entry.rdev_major = to_id(raw.pax.rdev_major.value_or(raw.header.rdev_major), "device major");
    entry.rdev_minor = to_id(raw.pax.rdev_minor.value_or(raw.header.rdev_minor), "device minor");
  }
  fill_xattrs(raw, entry, on_loss);
}

}  // namespace ondemand::tar
