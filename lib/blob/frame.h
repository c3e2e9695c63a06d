// SPDX-License-Identifier: Apache-2.0
//
// The one place where stored bytes become bytes of a kernel view: no byte passes that does not
// have the digest its chunk index gives (doc/ARCHITECTURE.md, invariant 1).
#pragma once

#include <cstddef>
#include <string_view>

#include "blob/chunk_index.h"
#include "util/bytes.h"

namespace ondemand::blob {

// Verifies the stored bytes of frame `i`, whatever their number, then undoes their compression:
// frame(i).uncompressed.len bytes.  `name` stands before the frame in messages; empty: nothing
// does. Range: i < index.size().  Throws kDigestMismatch, and kCorrupt for a frame that does not
// decompress to its length.
// Thread: any.
util::Buffer open_frame(const ChunkIndex& index, std::size_t i, util::Bytes stored,
                        std::string_view name);

}  // namespace ondemand::blob
