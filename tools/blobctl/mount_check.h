// SPDX-License-Identifier: Apache-2.0
//
// What is looked at before an image is mounted.  The kernel looks most of it up only when data is
// first read, when it is too late: the reader then gets an I/O error until the image is unmounted.
#pragma once

#include <cstdint>
#include <string>

#include "blobctl/transport_choice.h"
#include "cache/cache_root.h"

namespace ondemand::blobctl {

// Bootstrap and blobs exist, are regular files of the right size with nothing allocated that was
// never written, and the bootstrap is complete and fits the manifest; for a mount over fscache also
// every attribute, the volume, and the mark of the cache unless a demandd has bound it: kernels
// differ in what the mark means to them.  Returns the bytes that are missing.
// `name` is for messages.  Throws kNotFound, kCorrupt, kUnsupported (the mark), kIo.
std::uint64_t check_before_mount(const cache::CacheRoot& root, const cache::PreparedImage& image,
                                 const TransportChoice& transport, const std::string& name);

}  // namespace ondemand::blobctl
