// SPDX-License-Identifier: Apache-2.0
//
// What the engine must know of a data blob: its name on the servers, the size of its kernel view
// and how that is stored in frames.  Immutable once made.
#pragma once

#include <cstdint>
#include <memory>

#include "blob/chunk_index.h"
#include "hash/digest.h"
#include "util/units.h"

namespace ondemand::serve {

struct Blob {
  hash::Digest digest;     // of the stored blob
  std::uint64_t size = 0;  // of the backing file; Unit: bytes, a multiple of kBlockBytes
  blob::ChunkIndex index;
};
using BlobRef = std::shared_ptr<const Blob>;

// Throws kUnsupported when a frame does not begin at a block boundary (a block would then have to
// be written in two halves, and its hole would be gone after the first), kCorrupt when the index
// describes more bytes than the backing file holds.
BlobRef make_blob(const hash::Digest& digest, std::uint64_t size, blob::ChunkIndex index);

// The blocks of the backing file that a frame fills.  The last frame is padded with zeros up to
// the end of its block.  Range: frame < index.size().
util::ByteRange frame_blocks(const Blob& blob, std::size_t frame);

// That frame is the same one of both, stored and filled alike: one blob may have several chunk
// indexes, which number other frames, and an index may be read several times.  Any number.
bool is_same_frame(const Blob& a, const Blob& b, std::size_t frame);

}  // namespace ondemand::serve
