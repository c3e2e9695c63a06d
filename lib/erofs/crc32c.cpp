// SPDX-License-Identifier: Apache-2.0
#include "erofs/crc32c.h"

#include <array>

namespace ondemand::erofs {
namespace {

constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit)
      value = (value >> 1) ^ ((value & 1) != 0 ? kReflectedPolynomial : 0);
    table[i] = value;
  }
  return table;
}

constexpr auto kTable = make_table();

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, util::Bytes bytes) {
  for (const std::uint8_t byte : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xFF];
  return crc;
}

}  // namespace ondemand::erofs
