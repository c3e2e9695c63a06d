// SPDX-License-Identifier: Apache-2.0
//
// Streaming decompression of what an image arrives in: gzip, zstd, xz or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "util/bytes.h"
#include "util/stream.h"

namespace ondemand::codec {

enum class Compression : std::uint8_t { kNone, kGzip, kZstd, kXz };

// "none", "gzip", "zstd", "xz".
std::string_view to_string(Compression compression);

// By magic number, of at most six bytes; kNone for everything that is not one of the three.
// Source: RFC 1952 section 2.3.1, RFC 8878 sections 3.1.1 and 3.1.2 (a zstd stream may begin with
// a skippable frame), xz file format 1.1.0 section 2.1.1.1.
Compression detect_compression(util::Bytes first_bytes);

// The decompressed bytes of `inner`: for gzip and zstd all members or frames one after another,
// for xz all streams with their padding.  kNone hands the bytes through.
//
// Borrows `inner`, which is read up to its end.  `name` stands in messages.
// Thread: one user at a time.
// Throws from read(): kCorrupt when the input is damaged, ends early, is empty or is followed by
// something else (zero padding behind gzip members is fine); kTooLarge when it asks for more
// window than kMaxZstdWindowLog or kMaxXzMemory; what `inner` throws.
std::unique_ptr<util::ByteSource> make_decompressor(Compression compression,
                                                    util::ByteSource& inner, std::string name);

// Limits on memory that an input can make us use.  128 MiB is what `zstd --long` and the zstd
// command's default accept; xz -9 needs 65 MiB.
inline constexpr int kMaxZstdWindowLog = 27;
inline constexpr std::uint64_t kMaxXzMemory = 256ull * 1024 * 1024;  // Unit: bytes

// Size of the buffers between the source and the decoder.
inline constexpr std::size_t kInputBufferSize = 256 * 1024;  // Unit: bytes

}  // namespace ondemand::codec
