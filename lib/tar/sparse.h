// SPDX-License-Identifier: Apache-2.0
//
// Where the stored bytes of a sparse file belong.
//
// Source: GNU tar manual, "Storing Sparse Files" (old GNU format, pax formats 0.0, 0.1 and 1.0).
#pragma once

#include <cstdint>
#include <vector>

#include "tar/block_input.h"
#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::tar {

// A run of stored bytes, by its place in the file.  Ascending, not overlapping, not empty.
using SparseMap = std::vector<util::ByteRange>;

struct OldGnuSparse {
  SparseMap map;
  std::uint64_t size = 0;  // logical size of the file
};

// Old GNU format: the map begins in the header `block` (type 'S', not consumed from `input` any
// more) and goes on in extension blocks, which are consumed.  Throws kCorrupt; UnfitEntry, after
// the last of them, above kMaxSparsePieces.
OldGnuSparse read_old_gnu_sparse(util::Bytes block, BlockInput& input);

// Format 1.0: the map is decimal text in front of the data, padded to a block.  Returns the map;
// the consumed bytes belong to the stored size.  Throws kCorrupt, and UnfitEntry above
// kMaxSparsePieces.
SparseMap read_sparse_1_0(BlockInput& input);

// Offsets and lengths by turns.
SparseMap sparse_map_from_numbers(const std::vector<std::uint64_t>& numbers);

// Throws kCorrupt unless the map is ascending, inside `size` and covers `stored` bytes.  Drops
// empty pieces.
void check_sparse_map(SparseMap& map, std::uint64_t size, std::uint64_t stored);

}  // namespace ondemand::tar
