// SPDX-License-Identifier: Apache-2.0
//
// From the REF on a command line to a prepared image.
#pragma once

#include <string>

#include "cache/cache_root.h"

namespace ondemand::blobctl {

// Throws kNotFound "image REF: ACTION: is not prepared ...", which names what is.
hash::Digest resolve_prepared(const cache::CacheRoot& root, const std::string& reference,
                              const char* action);
cache::PreparedImage open_prepared(const cache::CacheRoot& root, const std::string& reference,
                                   const char* action);

}  // namespace ondemand::blobctl
