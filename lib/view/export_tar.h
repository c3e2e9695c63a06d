// SPDX-License-Identifier: Apache-2.0
//
// An image back into a tar of its root file system.
//
// First come files without data, then files in the order of their data, then further names of
// inodes (hard links), then directories, the inner ones first: whoever unpacks forward sets a
// directory's time and mode when nothing is put into it any more.  The same image gives the same
// bytes.  Runs of zeros of 64 KiB and more are holes of sparse files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "util/stream.h"
#include "view/image_view.h"

namespace ondemand::view {

struct ExportStats {
  std::uint64_t entries = 0;
  std::uint64_t data_bytes = 0;  // without holes
  std::uint64_t skipped = 0;     // sockets
};

// Called with one sentence about what a tar cannot hold or its readers may take for something else.
using Warn = std::function<void(const std::string&)>;

// Streams; memory is in proportion to the number of names.  Checks the structure of the image
// first, and every frame that it reads.  Throws what ImageView throws; what was written then is
// part of an archive without its end mark.
ExportStats export_tar(ImageView& image, util::ByteSink& out, const Warn& warn);

// Where the data of a file is, as a sparse tar entry says it: what no piece covers is a hole.  One
// piece of the whole file where holes are not worth it.
std::vector<util::ByteRange> sparse_pieces(const erofs::BootstrapReader& bootstrap,
                                           const erofs::InodeInfo& inode);

}  // namespace ondemand::view
