// SPDX-License-Identifier: Apache-2.0
//
// Small text helpers; g++ 12 has no <format>.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "util/bytes.h"

namespace ondemand::util {

namespace internal {
inline void append_piece(std::string& out, std::string_view piece) {
  out.append(piece);
}
inline void append_piece(std::string& out, char piece) {
  out.push_back(piece);
}
template <std::integral T>
requires(!std::same_as<T, char> && !std::same_as<T, bool>) void append_piece(std::string& out,
                                                                             T piece) {
  char buffer[24];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, piece);
  out.append(buffer, result.ptr);
}
}  // namespace internal

// Joins text and decimal integers.
template <class... Pieces>
std::string concat(const Pieces&... pieces) {
  std::string out;
  (internal::append_piece(out, pieces), ...);
  return out;
}

// Lower-case hex without leading zeros.
std::string to_hex(std::uint64_t value);
// Lower-case hex, two digits a byte.
std::string to_hex(Bytes bytes);
// Two hex digits (either case) a byte; nullopt when anything else is in it.
std::optional<Buffer> from_hex(std::string_view text);
// The whole text is one decimal number that fits; nullopt otherwise (also for an empty text).
std::optional<std::uint64_t> parse_u64(std::string_view text);

// "1.4 MB" (powers of ten), for people.  Unit: bytes.
std::string human_bytes(std::uint64_t bytes);
// Digits after the point: human_fixed(1.25, 1) == "1.3" (rounds half away from zero).
std::string human_fixed(double value, int digits);

// Name of any bytes as printable text: control characters, backslash and bytes >= 0x80 that are
// not valid UTF-8 become \xNN, so that a message stays on one line and cannot drive a terminal.
std::string printable(std::string_view text);

}  // namespace ondemand::util
