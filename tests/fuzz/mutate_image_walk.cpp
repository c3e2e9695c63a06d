// SPDX-License-Identifier: Apache-2.0
//
// Mutations that leave most of an image as it was: four bytes of one inode, or of the places where
// its directory entries, chunk entries or xattrs are.  What libFuzzer does by itself moves bytes,
// and an image does not survive that.  One in four is left to it, for damage of every kind.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "erofs/bootstrap_reader.h"
#include "erofs/inode_walk.h"
#include "util/error.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max);

using namespace ondemand;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max, unsigned seed) {
  if (seed % 4 == 0) return LLVMFuzzerMutate(data, size, max);
  std::minstd_rand random(seed);
  std::vector<erofs::InodeInfo> inodes;
  try {
    const erofs::BootstrapReader reader({data, size}, "image");
    erofs::for_each_inode(reader, [&](const erofs::InodeInfo& inode) { inodes.push_back(inode); });
  } catch (const util::Error&) {
  }
  if (inodes.empty()) return LLVMFuzzerMutate(data, size, max);
  const erofs::InodeInfo& inode = inodes[random() % inodes.size()];
  // The fields of its record, then whatever is behind it.
  std::size_t at = static_cast<std::size_t>(inode.offset) + random() % 16 * 4;
  if (seed % 4 == 3) at = static_cast<std::size_t>(inode.end()) + random() % 64 * 4;
  if (size < 4 || at > size - 4) return LLVMFuzzerMutate(data, size, max);
  // A field of another inode is the likeliest to mean something here.
  const std::size_t from =
      static_cast<std::size_t>(inodes[random() % inodes.size()].offset) + at % 32;
  if (random() % 2 == 0 && from <= size - 4)
    std::memmove(data + at, data + from, 4);
  else
    LLVMFuzzerMutate(data + at, 4, 4);
  return size;
}
