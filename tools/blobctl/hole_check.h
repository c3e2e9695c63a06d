// SPDX-License-Identifier: Apache-2.0
//
// Keeps images with data behind holes from kernels whose EROFS reads it wrongly over fscache:
// wrong bytes that nobody is told of would be worse than no mount.
#pragma once

#include <string>

#include "blobctl/transport_choice.h"
#include "cache/cache_root.h"

namespace ondemand::blobctl {

// Does the running kernel have our series, which mends EROFS for both ways over fscache?  Its
// device tells, or a demandd that has opened it.
bool reads_holes_right(const TransportChoice& transport);

// Throws kUnsupported naming a file of the image in which data follows a hole, and what to do.
// Reads the bootstrap's inodes, no data.  `name` is for the message.
void check_holes(const cache::PreparedImage& image, const std::string& name);

}  // namespace ondemand::blobctl
