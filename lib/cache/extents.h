// SPDX-License-Identifier: Apache-2.0
//
// What a sparse file holds, asked of the file system: the one truth about what is present.
// Thread: any; a file that is being filled gives a moment's picture.  Throws kIo.
#pragma once

#include <string_view>
#include <vector>

#include "util/units.h"

namespace ondemand::cache {

// The parts of `range` that hold data (SEEK_DATA) / that are holes (SEEK_HOLE), ascending, not
// touching each other.  Bytes behind the end of the file are neither.  Moves the file position.
std::vector<util::ByteRange> present_ranges(int fd, util::ByteRange range, std::string_view name);
std::vector<util::ByteRange> missing_ranges(int fd, util::ByteRange range, std::string_view name);

// Bytes with data in the whole file.
std::uint64_t present_bytes(int fd, std::string_view name);

// Extents that are allocated but were never written (fallocate).  SEEK_DATA can take them for data
// as soon as clean pages of them are in the page cache, and a reader then gets zeros.
// Source: doc/KERNEL.md 1.2.  Syncs the file first; what a daemon is writing at the moment
// does not count.  Empty on file systems without FIEMAP.
std::vector<util::ByteRange> unwritten_ranges(int fd, std::string_view name);

// What is in both.  Both are ascending.
std::vector<util::ByteRange> intersect(const std::vector<util::ByteRange>& a,
                                       const std::vector<util::ByteRange>& b);

// Gives the blocks of a range back to the file system; parts of blocks at its ends become zeros.
// False, with errno, when it cannot.  The descriptor is open for writing.  Never throws.
// Source: fallocate(2).
bool punch_hole(int fd, util::ByteRange range);

// Makes holes of the unwritten extents inside `within`, and says whether all of them are gone.
// Clean pages of them in the page cache, which could be taken for data, go too.  The descriptor is
// open for writing.
bool punch_unwritten(int fd, util::ByteRange within, std::string_view name);

}  // namespace ondemand::cache
