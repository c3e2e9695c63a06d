// SPDX-License-Identifier: Apache-2.0
//
// Bytes as direct I/O wants them: in memory that is aligned.
//
// Everything that goes into a backing file of cachefiles goes there by direct I/O, since the
// kernel reads it that way.  A buffered write makes the kernel's read wait for its writeback
// (1.8 times the cold time, doc/KERNEL.md 1.4), and where it fails for want of room some
// file systems leave blocks of zeros that count as data.  A direct write that ends early leaves
// whole blocks, holes, and extents without data that can be found and removed (failed_writes.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "util/bytes.h"
#include "util/units.h"

namespace ondemand::transport {

// Of address, offset and length.  Source: no file system that cachefiles takes has larger blocks
// than a page.
inline constexpr std::size_t kDirectAlignment = 4096;
inline constexpr std::size_t kPieceBytes = 256 * 1024;

// Memory of the calling thread, aligned, kPieceBytes long, until its next call.  Throws
// kUnavailable when there is none.
util::MutableBytes aligned_scratch();

// Calls `write` with one aligned copy after another, each with its distance from the beginning.
// Throws kInternal when they are no multiple of kDirectAlignment, and what `write` throws.
void for_each_aligned_piece(util::Bytes bytes,
                            const std::function<void(std::uint64_t, util::Bytes)>& write);

// Ranges inside `within`, widened to whole units of kDirectAlignment as far as that goes, so that
// holes of smaller blocks can be filled.  What touches then is joined.  Range: sorted.
std::vector<util::ByteRange> widen(const std::vector<util::ByteRange>& ranges,
                                   util::ByteRange within);

}  // namespace ondemand::transport
