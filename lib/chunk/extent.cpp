// SPDX-License-Identifier: Apache-2.0
#include "chunk/extent.h"

namespace ondemand::chunk {

void append_extent(Extents& extents, const Extent& extent) {
  if (!extents.empty()) {
    Extent& last = extents.back();
    const bool continues = last.device == extent.device &&
                           last.file_block + last.nblocks == extent.file_block &&
                           last.start.value + last.nblocks == extent.start.value;
    if (continues) {
      last.nblocks += extent.nblocks;
      return;
    }
  }
  extents.push_back(extent);
}

}  // namespace ondemand::chunk
