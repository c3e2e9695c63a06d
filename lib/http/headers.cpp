// SPDX-License-Identifier: Apache-2.0
#include "http/headers.h"

#include <algorithm>

#include "util/text.h"

namespace ondemand::http {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

// Takes "unit" and the separator from the front; false when another unit is named.
bool take_unit(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  if (end == std::string_view::npos || !equals_ignoring_case(trim(text.substr(0, end)), "bytes"))
    return false;
  text = trim(text.substr(end + 1));
  return true;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

const std::string* Headers::find(std::string_view name) const {
  for (const auto& field : fields_)
    if (equals_ignoring_case(field.first, name)) return &field.second;
  return nullptr;
}

std::string Headers::get(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string() : *value;
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  value = trim(value);
  if (!take_unit(value, ' ')) return std::nullopt;
  const auto slash = value.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  ContentRange out;
  const auto total_text = value.substr(slash + 1);
  if (total_text != "*") {
    out.total = util::parse_u64(total_text);
    if (!out.total) return std::nullopt;
  }
  const auto range_text = value.substr(0, slash);
  if (range_text == "*") return out.total ? std::optional(out) : std::nullopt;
  const auto dash = range_text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = util::parse_u64(range_text.substr(0, dash));
  const auto last = util::parse_u64(range_text.substr(dash + 1));
  if (!first || !last || *last < *first || *last == UINT64_MAX) return std::nullopt;
  if (out.total && *last >= *out.total) return std::nullopt;
  out.range = util::ByteRange{*first, *last - *first + 1};
  return out;
}

RangeChoice choose_range(std::string_view field, std::uint64_t total) {
  using Kind = RangeChoice::Kind;
  field = trim(field);
  if (field.empty() || !take_unit(field, '=')) return {};
  if (field.find(',') != std::string_view::npos) return {};
  const auto dash = field.find('-');
  if (dash == std::string_view::npos) return {};
  const auto first_text = trim(field.substr(0, dash));
  const auto last_text = trim(field.substr(dash + 1));
  const auto last = util::parse_u64(last_text);
  if (!last && !last_text.empty()) return {};
  if (first_text.empty()) {  // "-N": the last N bytes
    if (!last) return {};
    if (*last == 0 || total == 0) return {Kind::kUnsatisfiable, {}};
    const std::uint64_t len = std::min(*last, total);
    return {Kind::kPart, {total - len, len}};
  }
  const auto first = util::parse_u64(first_text);
  if (!first || (last && *last < *first)) return {};
  if (*first >= total) return {Kind::kUnsatisfiable, {}};
  const std::uint64_t end = last ? std::min(*last, total - 1) + 1 : total;
  return {Kind::kPart, {*first, end - *first}};
}

}  // namespace ondemand::http
