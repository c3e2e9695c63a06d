// SPDX-License-Identifier: Apache-2.0
//
// A SHA-256 digest as a value, and its text forms.
// Source: OCI image specification, descriptor.md, "Digests": "sha256:" and 64 lower-case hex
// digits.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "util/bytes.h"

namespace ondemand::hash {

struct Digest {
  static constexpr std::size_t kSize = 32;
  std::array<std::uint8_t, kSize> bytes{};

  auto operator<=>(const Digest&) const = default;
  std::string hex() const;        // 64 digits
  std::string to_string() const;  // "sha256:" + hex()

  // "sha256:<64 hex>"; nullopt for any other text, other algorithms and upper case included.
  static std::optional<Digest> parse(std::string_view text);
  static std::optional<Digest> from_hex(std::string_view hex);
  static Digest from_bytes(util::Bytes bytes);  // Range: exactly 32 bytes (asserted)
};

}  // namespace ondemand::hash

template <>
struct std::hash<ondemand::hash::Digest> {
  std::size_t operator()(const ondemand::hash::Digest& digest) const noexcept {
    std::size_t value = 0;  // already uniformly distributed
    std::memcpy(&value, digest.bytes.data(), sizeof value);
    return value;
  }
};
