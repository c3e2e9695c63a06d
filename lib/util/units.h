// SPDX-License-Identifier: Apache-2.0
//
// The four units that are easy to mix up, each a type of its own, and the one range type.
#pragma once

#include <compare>
#include <cstdint>

namespace ondemand::util {

// EROFS block number on one device (not a byte offset).
struct BlockAddr {
  std::uint32_t value = 0;
  auto operator<=>(const BlockAddr&) const = default;
};

// EROFS device: 0 = the bootstrap itself, 1..n = data blobs in device-table order.
struct DeviceId {
  std::uint16_t value = 0;
  auto operator<=>(const DeviceId&) const = default;
};

// EROFS inode number: 32-byte slots from meta_blkaddr.
struct Nid {
  std::uint64_t value = 0;
  auto operator<=>(const Nid&) const = default;
};

// Half-open range of bytes [offset, offset + len).
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t len = 0;
  std::uint64_t end() const { return offset + len; }  // Range: the caller made sure it fits
  bool empty() const { return len == 0; }
  auto operator<=>(const ByteRange&) const = default;
};

// Seconds since 1970 (negative before) and nanoseconds 0..999,999,999 counted forward from them.
struct Timestamp {
  std::int64_t sec = 0;
  std::uint32_t nsec = 0;
  auto operator<=>(const Timestamp&) const = default;
};

inline constexpr std::uint32_t kKiB = 1024;
inline constexpr std::uint32_t kMiB = 1024 * 1024;

}  // namespace ondemand::util
