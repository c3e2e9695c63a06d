// SPDX-License-Identifier: Apache-2.0
//
// How the kernel reads numbers in commands.  Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace ondemand::simulate {

struct ParsedUnsigned {
  int error = 0;  // EINVAL, ERANGE
  std::uint64_t value = 0;
};
// As kstrtou64(text, 0): a prefix says the base (0x, 0), a '+' may stand before it, nothing but one
// newline behind it.
ParsedUnsigned parse_unsigned(std::string_view text);

struct ParsedSigned {
  int error = 0;
  std::int64_t value = 0;
};
ParsedSigned parse_signed(std::string_view text);  // as kstrtol(text, 0)

// "<n>%" with nothing behind it; -1 for anything else.
int parse_percent(std::string_view text);

}  // namespace ondemand::simulate
