// SPDX-License-Identifier: Apache-2.0
//
// Looks for files in which data follows a hole.  Over fscache, EROFS of mainline (since
// e6d9f9ba111b, up to Linux 7.1) reads them wrongly: where it meets a hole it zeroes the rest of
// the whole read request, data behind the hole included, and keeps that in the page cache.  A hole
// that reaches to the end of its file is read rightly.  Source: Linux fs/erofs/fscache.c,
// erofs_fscache_data_read_slice().
#pragma once

#include <optional>
#include <string>

#include "erofs/bootstrap_reader.h"

namespace ondemand::erofs {

// True for a regular file in which anything but a hole lies behind a hole.  Compressed inodes do
// not go that way of the kernel (false).  Takes time in proportion to the chunk entries.
bool has_hole_before_data(const BootstrapReader& reader, const InodeInfo& inode);

// The path of one such file, the same for equal images; nullopt when there is none.  One pass over
// the inodes, no data; time and memory are in proportion to the image, whatever it holds.
// Throws kCorrupt for entries that overlap, and what the reader throws.
std::optional<std::string> find_hole_before_data(const BootstrapReader& reader);

}  // namespace ondemand::erofs
