// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer's mutations with header checksums put right afterwards: a wrong one would hide all
// that stands behind it.  One in eight stays as it fell, for the check itself.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

namespace {

// Source: POSIX.1-2017 pax, "ustar Interchange Format": eight bytes from 148 on, octal, summed up
// as if they were spaces.
constexpr std::size_t kBlock = 512;
constexpr std::size_t kChecksum = 148;
constexpr std::size_t kMagic = 257;

void put_checksum(std::uint8_t* block) {
  std::memset(block + kChecksum, ' ', 8);
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i)
    sum += block[i];
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  std::memcpy(block + kChecksum, text, 7);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max);
  if (seed % 8 == 0) return size;
  for (std::size_t at = 0; at + kBlock <= size; at += kBlock) {
    // Headers of the dialects with a magic, and the first block of any.
    if (at == 0 || std::equal(data + at + kMagic, data + at + kMagic + 5, "ustar"))
      put_checksum(data + at);
  }
  return size;
}
