// SPDX-License-Identifier: Apache-2.0
#include "hash/digest.h"

#include <algorithm>

#include "util/error.h"
#include "util/text.h"

namespace ondemand::hash {

namespace {
constexpr std::string_view kPrefix = "sha256:";
}

std::string Digest::hex() const {
  return util::to_hex(util::Bytes(bytes));
}

std::string Digest::to_string() const {
  return std::string(kPrefix) + hex();
}

std::optional<Digest> Digest::from_hex(std::string_view hex) {
  if (hex.size() != 2 * kSize) return std::nullopt;
  if (std::any_of(hex.begin(), hex.end(), [](char c) { return c >= 'A' && c <= 'F'; }))
    return std::nullopt;
  const auto decoded = util::from_hex(hex);
  if (!decoded) return std::nullopt;
  return from_bytes(*decoded);
}

std::optional<Digest> Digest::parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  return from_hex(text.substr(kPrefix.size()));
}

Digest Digest::from_bytes(util::Bytes bytes) {
  ASSERT(bytes.size() == kSize);
  Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.bytes.begin());
  return digest;
}

}  // namespace ondemand::hash
