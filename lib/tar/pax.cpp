// SPDX-License-Identifier: Apache-2.0
#include "tar/pax.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::tar {

namespace {

using util::concat;
using util::ErrorCode;

[[noreturn]] void fail(std::string_view key, std::string_view reason) {
  throw util::Error(ErrorCode::kCorrupt, concat("pax record ", util::printable(key), ": ", reason));
}

std::int64_t parse_decimal(std::string_view key, std::string_view text) {
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range && result.ptr == text.data() + text.size())
    fail(key, concat(text.starts_with('-') ? "too small" : "too large", ": does not fit 64 bits"));
  if (text.empty() || result.ec != std::errc{} || result.ptr != text.data() + text.size())
    fail(key, "not a decimal number");
  return value;
}

void set_number(std::optional<std::int64_t>& out, std::string_view key, std::string_view text) {
  out.reset();
  if (!text.empty()) out = parse_decimal(key, text);
}

void set_text(std::optional<std::string>& out, std::string_view text) {
  out.reset();
  if (!text.empty()) out = std::string(text);
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// libarchive writes no padding; with padding it is read alike.
std::string decode_base64(std::string_view key, std::string_view text) {
  while (text.ends_with('='))
    text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() * 3 / 4);
  unsigned bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const int digit = base64_digit(c);
    if (digit < 0) fail(key, "not base64");
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xFFFF;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return out;
}

// The attribute name in a LIBARCHIVE.xattr key has "%XX" for what is not plain ASCII.
std::string decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (const auto byte = util::from_hex(text.substr(i + 1, 2))) {
        out.push_back(static_cast<char>((*byte)[0]));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

// GNU tar writes "%3D" and "%25" for "=", which would end the key, and "%" in a SCHILY.xattr key,
// and all else as it is.
std::string decode_xattr_key(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i, 3);
    const bool is_code = rest == "%3D" || rest == "%25";
    out.push_back(is_code ? (rest[1] == '3' ? '=' : '%') : text[i]);
    if (is_code) i += 2;
  }
  return out;
}

void set_xattr(PaxValues& values, std::string_view key, std::string name, std::string value) {
  if (name.empty() || name.find('\0') != std::string::npos) fail(key, "bad attribute name");
  values.xattrs.insert_or_assign(std::move(name), std::move(value));
}

// The many offsets and lengths of sparse formats 0.0 (one record each) and 0.1 (one list).
void add_sparse_number(PaxValues& values, std::string_view key, std::string_view text) {
  const auto number = util::parse_u64(text);
  if (!number) fail(key, "not a decimal number");
  values.has_sparse_map = true;
  if (values.sparse_map.size() < 2 * kMaxSparsePieces)
    values.sparse_map.push_back(*number);
  else
    values.has_too_many_pieces = true;
}

void parse_sparse_list(PaxValues& values, std::string_view key, std::string_view text) {
  values.sparse_map.clear();
  values.has_sparse_map = true;
  values.has_too_many_pieces = false;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    add_sparse_number(values, key, text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
}

void apply_sparse(PaxValues& values, std::string_view key, std::string_view text) {
  const std::string_view what = key.substr(std::string_view("GNU.sparse.").size());
  if (what == "name") {
    set_text(values.sparse_name, text);
  } else if (what == "major") {
    set_number(values.sparse_major, key, text);
  } else if (what == "minor") {
    set_number(values.sparse_minor, key, text);
  } else if (what == "size" || what == "realsize") {
    set_number(values.sparse_size, key, text);
  } else if (what == "numblocks") {
    values.has_sparse_map = true;
  } else if (what == "offset" || what == "numbytes") {
    if ((values.sparse_map.size() % 2 == 0) != (what == "offset")) {
      if (!values.has_too_many_pieces) fail(key, "out of order");
    }
    add_sparse_number(values, key, text);
  } else if (what == "map") {
    parse_sparse_list(values, key, text);
  }
}

constexpr std::string_view kSchilyXattr = "SCHILY.xattr.";
constexpr std::string_view kLibarchiveXattr = "LIBARCHIVE.xattr.";

// What follows the prefix in the LIBARCHIVE.xattr keys of a header.  libarchive writes each
// attribute twice, with the same encoded name in both keys.
using EncodedNames = std::set<std::string_view>;

void apply_record(PaxValues& values, std::string_view key, std::string_view text,
                  const EncodedNames& libarchive_names) {
  if (key == "path") {
    set_text(values.path, text);
  } else if (key == "linkpath") {
    set_text(values.link_target, text);
  } else if (key == "size") {
    set_number(values.size, key, text);
  } else if (key == "uid") {
    set_number(values.uid, key, text);
  } else if (key == "gid") {
    set_number(values.gid, key, text);
  } else if (key == "SCHILY.devmajor") {
    set_number(values.rdev_major, key, text);
  } else if (key == "SCHILY.devminor") {
    set_number(values.rdev_minor, key, text);
  } else if (key == "mtime") {
    values.mtime.reset();
    if (!text.empty()) values.mtime = parse_pax_time(text);
  } else if (key.starts_with(kSchilyXattr)) {
    const std::string_view name = key.substr(kSchilyXattr.size());
    set_xattr(values, key,
              libarchive_names.contains(name) ? decode_percent(name) : decode_xattr_key(name),
              std::string(text));
  } else if (key.starts_with(kLibarchiveXattr)) {
    set_xattr(values, key, decode_percent(key.substr(kLibarchiveXattr.size())),
              decode_base64(key, text));
  } else if (key == "RHT.security.selinux") {
    // GNU tar stores the label without the NUL that the kernel keeps at its end.
    set_xattr(values, key, "security.selinux", std::string(text) + '\0');
  } else if (key == "SCHILY.acl.access") {
    values.acl_access = text;
  } else if (key == "SCHILY.acl.default") {
    values.acl_default = text;
  } else if (key == "SCHILY.acl.ace") {
    values.acl_nfs4 = text;
  } else if (key == "SCHILY.fflags") {
    values.file_flags = text;
  } else if (key.starts_with("GNU.sparse.")) {
    apply_sparse(values, key, text);
  } else if (key == "GNU.volume.filename") {
    // Where GNU tar's own format has a member of type 'M', its pax archives go on with a file
    // GNUFileParts/NAME.2.
    throw util::Error(ErrorCode::kUnsupported, "continues a file from another volume");
  }
}

// The digits before and behind the point.
struct Decimal {
  bool negative = false;
  std::string integer;
  std::string fraction;
};

// "12.5", "12.", ".5", and with an exponent, as Python's tarfile writes what it has as a floating
// point number: "1.5e-09".  Exponents of those have three digits at most.
Decimal parse_fraction(std::string_view key, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr int kMaxExponent = 999;
  const auto refuse = [&] {
    fail(key, concat(util::printable(text.substr(0, 256)), ": not a decimal number"));
  };
  Decimal out;
  out.negative = text.starts_with('-');
  const std::size_t e = text.find('e');
  const std::string_view number = text.substr(0, e).substr(out.negative ? 1 : 0);
  const std::size_t point = number.find('.');
  out.integer = number.substr(0, point);
  if (point != std::string_view::npos) out.fraction = number.substr(point + 1);
  for (const std::string& digits : {out.integer, out.fraction})
    if (digits.find_first_not_of(kDigits) != std::string::npos) refuse();
  if (out.integer.empty() && out.fraction.empty()) refuse();
  if (e == std::string_view::npos) return out;

  std::string_view power = text.substr(e + 1);
  if (power.starts_with('+') && !power.starts_with("+-")) power.remove_prefix(1);
  int exponent = 0;
  const auto result = std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (result.ec != std::errc{} || result.ptr != power.data() + power.size()) refuse();
  if (exponent < -kMaxExponent || exponent > kMaxExponent) refuse();
  const auto count = static_cast<std::size_t>(std::abs(exponent));
  if (exponent < 0) {
    out.integer.insert(0, count, '0');
    const std::size_t rest = out.integer.size() - count;
    out.fraction.insert(0, out.integer, rest, count);
    out.integer.resize(rest);
  } else {
    if (out.fraction.size() < count) out.fraction.resize(count, '0');
    out.integer.append(out.fraction, 0, count);
    out.fraction.erase(0, count);
  }
  return out;
}

template <class Call>
void for_each_record(std::string_view rest, const Call& call) {
  while (!rest.empty()) {
    if (rest.find_first_not_of('\0') == std::string_view::npos) break;  // padding
    std::size_t len = 0;
    const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), len);
    const auto digits = static_cast<std::size_t>(result.ptr - rest.data());
    if (result.ec != std::errc{} || digits == 0 || len > rest.size() || len < digits + 3 ||
        rest[digits] != ' ' || rest[len - 1] != '\n')
      fail("list", "bad record length");
    const std::string_view record = rest.substr(digits + 1, len - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0) fail("list", "record without a key");
    call(record.substr(0, equals), record.substr(equals + 1));
    rest.remove_prefix(len);
  }
}

}  // namespace

std::size_t xattr_bytes(const PaxValues& values) {
  std::size_t total = 0;
  for (const auto& xattr : values.xattrs)
    total += xattr.first.size() + xattr.second.size();
  return total;
}

std::size_t stored_bytes(const PaxValues& values) {
  std::size_t total = xattr_bytes(values) + values.acl_access.size() + values.acl_default.size() +
                      values.acl_nfs4.size() + values.file_flags.size() +
                      values.sparse_map.size() * sizeof(values.sparse_map[0]);
  for (const auto* text : {&values.path, &values.link_target, &values.sparse_name})
    total += *text ? (*text)->size() : 0;
  return total;
}

util::Timestamp parse_pax_time(std::string_view text) {
  const Decimal time = parse_fraction("mtime", text);
  // With its sign: the smallest number has no positive twin.
  const std::int64_t sec = parse_decimal("mtime", concat(time.negative ? "-0" : "0", time.integer));
  const std::string& fraction = time.fraction;
  std::uint32_t nsec = 0;
  for (std::size_t i = 0; i < 9; ++i)
    nsec = nsec * 10 + static_cast<std::uint32_t>(i < fraction.size() ? fraction[i] - '0' : 0);
  if (!time.negative) return {sec, nsec};

  // Down means away from zero here.
  if (fraction.size() > 9 && fraction.find_first_not_of('0', 9) != std::string::npos) ++nsec;
  if (nsec == 0) return {sec, 0};
  if (sec == std::numeric_limits<std::int64_t>::min())
    fail("mtime", util::printable(text) + ": does not fit 64 bits");
  return {sec - 1, 1'000'000'000 - nsec};
}

void parse_pax_records(util::Bytes body, PaxValues& values) {
  const std::string_view text = util::as_text(body);
  EncodedNames names;
  if (text.find(kLibarchiveXattr) != std::string_view::npos)
    for_each_record(text, [&](std::string_view key, std::string_view) {
      if (key.starts_with(kLibarchiveXattr)) names.insert(key.substr(kLibarchiveXattr.size()));
    });
  for_each_record(text, [&](std::string_view key, std::string_view value) {
    apply_record(values, key, value, names);
  });
}

}  // namespace ondemand::tar
