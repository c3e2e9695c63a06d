// SPDX-License-Identifier: Apache-2.0
#include "erofs/xattr_codec.h"

#include <array>
#include <bit>

#include "format/erofs_ondisk.h"
#include "util/endian.h"

namespace ondemand::erofs {
namespace {

struct Namespace {
  std::uint8_t index;
  std::string_view prefix;
  bool is_whole_name;
};

constexpr std::array<Namespace, 5> kNamespaces{{
    {ondisk::kErofsXattrUser, "user.", false},
    {ondisk::kErofsXattrAclAccess, "system.posix_acl_access", true},
    {ondisk::kErofsXattrAclDefault, "system.posix_acl_default", true},
    {ondisk::kErofsXattrTrusted, "trusted.", false},
    {ondisk::kErofsXattrSecurity, "security.", false},
}};

constexpr std::uint32_t kPrime1 = 0x9E3779B1;
constexpr std::uint32_t kPrime2 = 0x85EBCA77;
constexpr std::uint32_t kPrime3 = 0xC2B2AE3D;
constexpr std::uint32_t kPrime4 = 0x27D4EB2F;
constexpr std::uint32_t kPrime5 = 0x165667B1;

std::uint32_t lane_at(util::Bytes bytes, std::size_t offset) {
  util::Le32 value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

std::optional<XattrName> split_xattr_name(std::string_view name) {
  for (const Namespace& space : kNamespaces) {
    if (!name.starts_with(space.prefix)) continue;
    const std::string_view suffix = name.substr(space.prefix.size());
    if (suffix.empty() == space.is_whole_name) return XattrName{space.index, suffix};
  }
  return std::nullopt;
}

std::optional<std::string_view> xattr_prefix(std::uint8_t index) {
  for (const Namespace& space : kNamespaces)
    if (space.index == index) return space.prefix;
  return std::nullopt;
}

std::uint32_t xattr_filter_bit(const XattrName& name) {
  const std::uint32_t seed = ondisk::kErofsXattrFilterSeed + name.index;
  return std::uint32_t{1} << (xxh32(util::as_bytes(name.suffix), seed) & 31);
}

std::uint32_t xxh32(util::Bytes bytes, std::uint32_t seed) {
  std::size_t at = 0;
  std::uint32_t hash = seed + kPrime5;
  if (bytes.size() >= 16) {
    std::array<std::uint32_t, 4> lanes{seed + kPrime1 + kPrime2, seed + kPrime2, seed,
                                       seed - kPrime1};
    for (; bytes.size() - at >= 16; at += 16)
      for (std::size_t i = 0; i < 4; ++i)
        lanes[i] = std::rotl(lanes[i] + lane_at(bytes, at + 4 * i) * kPrime2, 13) * kPrime1;
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
           std::rotl(lanes[3], 18);
  }
  hash += static_cast<std::uint32_t>(bytes.size());
  for (; bytes.size() - at >= 4; at += 4)
    hash = std::rotl(hash + lane_at(bytes, at) * kPrime3, 17) * kPrime4;
  for (; at < bytes.size(); ++at)
    hash = std::rotl(hash + bytes[at] * kPrime5, 11) * kPrime1;
  hash = (hash ^ (hash >> 15)) * kPrime2;
  hash = (hash ^ (hash >> 13)) * kPrime3;
  return hash ^ (hash >> 16);
}

}  // namespace ondemand::erofs
