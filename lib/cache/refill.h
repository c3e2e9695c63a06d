// SPDX-License-Identifier: Apache-2.0
//
// Compares verified bytes with what a backing file holds, and fills in what it lacks.
#pragma once

#include <cstdint>
#include <filesystem>

#include "hash/digest.h"

namespace ondemand::cache {

// The first `len` bytes have the digest and all behind them is zero.  Throws kIo.
bool has_content(const std::filesystem::path& path, std::uint64_t len, const hash::Digest& digest);

// Both files hold the same bytes.
bool same_content(int fd, const std::filesystem::path& path);

// Copies from `verified_fd` (complete, `size` bytes) what the file lacks, and syncs it.  Throws
// kCorrupt, before it writes anything, when bytes that it has are different.  The file may be in
// use by cachefiles: it is read and written directly, and nothing in it is made a hole then.
void fill_missing(int verified_fd, const std::filesystem::path& path, std::uint64_t size);

}  // namespace ondemand::cache
