// SPDX-License-Identifier: Apache-2.0
// Any bytes as the tar of some layers, which end behind every fourth second: read whole, all data,
// into a tree; some entries are dropped.  Needs tar, tree, util.
#include <cstddef>
#include <cstdint>

#include "tar/tar_reader.h"
#include "tree/tree_builder.h"
#include "util/error.h"

using namespace ondemand;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto style : {tree::WhiteoutStyle::kOci, tree::WhiteoutStyle::kOverlay}) {
    try {
      util::MemorySource source({data, size});
      tar::TarReader reader(source, "fuzz.tar");
      tree::TreeBuilder builder(style);
      if (size % 2 == 1) builder.set_lossy();
      builder.begin_layer();
      tar::Entry entry;
      while (reader.next(entry)) {
        if (size % 2 == 1 && entry.gid % 8 == 7)
          builder.drop(entry);
        else
          builder.add(entry);
        tar::DataBlock block;
        std::uint64_t end = 0;
        while (reader.read_block(block)) {
          if (block.bytes.empty() || block.offset < end || block.offset > entry.size ||
              block.bytes.size() > entry.size - block.offset)
            __builtin_trap();
          end = block.offset + block.bytes.size();
        }
        if (entry.mtime.sec % 4 != 3) continue;
        builder.end_layer();
        builder.begin_layer();
      }
      builder.end_layer();
      builder.finish();
    } catch (const util::Error&) {
    }
  }
  return 0;
}
