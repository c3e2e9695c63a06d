// SPDX-License-Identifier: Apache-2.0
//
// Compares a bootstrap's device table with the blobs that a manifest gives it: a blob in the wrong
// slot would be foreign bytes under every file.
#pragma once

#include "cache/cache_root.h"

namespace ondemand::blobctl {

// Reads the superblock and the device slots of image.bootstrap.  Throws kCorrupt when number, size
// or tag (where it is a digest) do not fit the blobs, or the bootstrap is no EROFS image.
void check_device_table(const cache::PreparedImage& image);

// How much blobs[index] may decompress to, by its slot.  Throws kCorrupt when there is no such
// slot.
std::uint64_t slot_limit(const cache::PreparedImage& image, std::size_t index);

}  // namespace ondemand::blobctl
