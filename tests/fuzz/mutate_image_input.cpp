// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer's mutations with what they break put right: header checksums, and the digests by which
// objects of an OCI archive are named (in archive order, so that objects should come before those
// that name them).  One in eight stays as it fell.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "hash/sha256.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

namespace {

// Source: POSIX.1-2017 pax, "ustar Interchange Format".
constexpr std::size_t kBlock = 512;
constexpr std::size_t kSize = 124;
constexpr std::size_t kChecksum = 148;
constexpr std::size_t kMagic = 257;
constexpr std::string_view kBlobs = "blobs/sha256/";
constexpr std::size_t kHexLen = 64;

bool is_header(const std::uint8_t* block) {
  return std::equal(block + kMagic, block + kMagic + 5, "ustar");
}

void put_checksum(std::uint8_t* block) {
  std::memset(block + kChecksum, ' ', 8);
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i)
    sum += block[i];
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  std::memcpy(block + kChecksum, text, 7);
}

void put_digest(std::uint8_t* data, std::size_t size, std::size_t at) {
  if (std::memcmp(data + at, kBlobs.data(), kBlobs.size()) != 0) return;
  char digits[12] = {};
  std::memcpy(digits, data + at + kSize, 11);
  const std::size_t len = std::strtoul(digits, nullptr, 8);
  if (len > size - at - kBlock) return;
  const std::string hex = ondemand::hash::sha256({data + at + kBlock, len}).hex();
  const std::string old(data + at + kBlobs.size(), data + at + kBlobs.size() + kHexLen);
  for (std::uint8_t* found = data; found != data + size;) {
    found = std::search(found, data + size, old.begin(), old.end());
    if (found != data + size) found = std::copy(hex.begin(), hex.end(), found);
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max);
  if (seed % 8 == 0) return size;
  for (std::size_t at = 0; at + kBlock <= size; at += kBlock)
    if (is_header(data + at)) put_digest(data, size, at);
  for (std::size_t at = 0; at + kBlock <= size; at += kBlock)
    if (at == 0 || is_header(data + at)) put_checksum(data + at);
  return size;
}
