// SPDX-License-Identifier: Apache-2.0
//
// Header fields and the two range fields, for client and server.
// Source: RFC 9110 sections 5.1 (names have no case), 14.1.2 (Range), 14.4 (Content-Range).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "util/units.h"

namespace ondemand::http {

class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  // The first field of that name, in any case; nullptr when there is none.
  const std::string* find(std::string_view name) const;
  // The same as a value; empty when there is none.
  std::string get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

bool equals_ignoring_case(std::string_view a, std::string_view b);

// "bytes 0-9/100", "bytes 0-9/*", "bytes */100".
struct ContentRange {
  std::optional<util::ByteRange> range;
  std::optional<std::uint64_t> total;
};
std::optional<ContentRange> parse_content_range(std::string_view value);

// What a Range field asks of a representation of `total` bytes.
struct RangeChoice {
  enum class Kind {
    kWhole,          // no range, several ranges, another unit or not understood: answer 200
    kPart,           // answer 206 with `range`
    kUnsatisfiable,  // answer 416
  };
  Kind kind = Kind::kWhole;
  util::ByteRange range;
};
RangeChoice choose_range(std::string_view range_field, std::uint64_t total);

}  // namespace ondemand::http
