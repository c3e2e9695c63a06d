// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "blob/chunk_index.h"
#include "util/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ondemand::blob::ChunkIndex;
  const ondemand::util::Bytes bytes(data, size);
  for (const std::uint64_t stored_end : {std::uint64_t{size}, std::uint64_t{1} << 32, UINT64_MAX}) {
    try {
      const ChunkIndex index = ChunkIndex::decode(bytes, "input", stored_end);
      std::uint64_t position = 0;
      for (std::size_t i = 0; i < index.size(); ++i) {
        const auto frame = index.frame(i);
        // What a decoded index promises to the planner.
        if (frame.uncompressed.offset != position || frame.uncompressed.empty() ||
            frame.stored.empty())
          __builtin_trap();
        if (index.find(position) != i || index.find(frame.uncompressed.end() - 1) != i)
          __builtin_trap();
        position = frame.uncompressed.end();
      }
      if (position != index.uncompressed_size()) __builtin_trap();
    } catch (const ondemand::util::Error&) {
    }
  }
  return 0;
}
