// SPDX-License-Identifier: Apache-2.0
//
// Rounding to powers of two, and arithmetic on sizes that come from input: every overflow is an
// Error{kTooLarge} instead of a wrapped number.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <utility>

#include "util/error.h"

namespace ondemand::util {

template <std::unsigned_integral T>
constexpr bool is_aligned(T value, T power_of_two) {
  return (value & (power_of_two - 1)) == 0;
}

template <std::unsigned_integral T>
constexpr T round_down(T value, T power_of_two) {
  return value & ~(power_of_two - 1);
}

template <std::unsigned_integral T>
constexpr T checked_add(T a, T b) {
  T sum = 0;
  if (__builtin_add_overflow(a, b, &sum))
    throw Error(ErrorCode::kTooLarge, "size: addition overflows");
  return sum;
}

template <std::unsigned_integral T>
constexpr T checked_mul(T a, T b) {
  T product = 0;
  if (__builtin_mul_overflow(a, b, &product))
    throw Error(ErrorCode::kTooLarge, "size: multiplication overflows");
  return product;
}

template <std::unsigned_integral T>
constexpr T round_up(T value, T power_of_two) {
  return round_down(checked_add(value, static_cast<T>(power_of_two - 1)), power_of_two);
}

template <std::unsigned_integral T>
constexpr T div_round_up(T value, T divisor) {
  return static_cast<T>(value / divisor + (value % divisor != 0 ? 1 : 0));
}

// Narrowing that refuses to change the value.
template <std::integral To, std::integral From>
constexpr To narrow(From value) {
  if (!std::in_range<To>(value))
    throw Error(ErrorCode::kTooLarge, "size: value does not fit its field");
  return static_cast<To>(value);
}

}  // namespace ondemand::util
