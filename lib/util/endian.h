// SPDX-License-Identifier: Apache-2.0
//
// Little- and big-endian integers of alignment 1, for structures that mirror bytes on disk or on
// the wire.  A structure made of them has no padding, may lie at any address, and cannot be read
// in the wrong byte order.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace ondemand::util {

template <std::unsigned_integral T>
class Le {
 public:
  Le() = default;
  constexpr Le(T value) { *this = value; }  // NOLINT: implicit on purpose, it is an integer
  constexpr Le& operator=(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes_[i] = static_cast<std::uint8_t>(value >> (8 * i));
    return *this;
  }
  constexpr operator T() const {  // NOLINT: implicit on purpose
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(value | static_cast<T>(static_cast<T>(bytes_[i]) << (8 * i)));
    return value;
  }

 private:
  std::array<std::uint8_t, sizeof(T)> bytes_;
};

template <std::unsigned_integral T>
class Be {
 public:
  Be() = default;
  constexpr Be(T value) { *this = value; }  // NOLINT: implicit on purpose, it is an integer
  constexpr Be& operator=(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bytes_[sizeof(T) - 1 - i] = static_cast<std::uint8_t>(value >> (8 * i));
    return *this;
  }
  constexpr operator T() const {  // NOLINT: implicit on purpose
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      value = static_cast<T>(value |
                             static_cast<T>(static_cast<T>(bytes_[sizeof(T) - 1 - i]) << (8 * i)));
    return value;
  }

 private:
  std::array<std::uint8_t, sizeof(T)> bytes_;
};

using Le16 = Le<std::uint16_t>;
using Le32 = Le<std::uint32_t>;
using Le64 = Le<std::uint64_t>;
using Be32 = Be<std::uint32_t>;
using Be64 = Be<std::uint64_t>;

static_assert(sizeof(Le64) == 8 && alignof(Le64) == 1);

}  // namespace ondemand::util
