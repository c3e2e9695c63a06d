// SPDX-License-Identifier: Apache-2.0
#include "support/simulate/kernel_text.h"

#include <cerrno>
#include <charconv>
#include <limits>
#include <system_error>

namespace ondemand::simulate {

ParsedUnsigned parse_unsigned(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  ParsedUnsigned parsed;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), parsed.value, base);
  if (error == std::errc::result_out_of_range)
    parsed.error = ERANGE;
  else if (error != std::errc() || end != text.data() + text.size())
    parsed.error = EINVAL;
  return parsed;
}

ParsedSigned parse_signed(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative && text.substr(1).starts_with('+')) return {EINVAL, 0};
  const ParsedUnsigned magnitude = parse_unsigned(negative ? text.substr(1) : text);
  if (magnitude.error != 0) return {magnitude.error, 0};
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (magnitude.value > kMax) return {ERANGE, 0};
  const auto value = static_cast<std::int64_t>(magnitude.value);
  return {0, negative ? -value : value};
}

int parse_percent(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  return error == std::errc() && rest == "%" && value < 1000 ? static_cast<int>(value) : -1;
}

}  // namespace ondemand::simulate
