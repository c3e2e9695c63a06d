// SPDX-License-Identifier: Apache-2.0
//
// Fetches whole objects for prepare.  Nothing is handed on, and nothing is decompressed, before
// the bytes have the digest that the manifest gives them.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "hash/digest.h"
#include "oci/descriptor.h"
#include "oci/erofs_image.h"
#include "source/source.h"
#include "util/atomic_file.h"
#include "util/bytes.h"

namespace ondemand::cache {

// Limits.  Unit: bytes.  A kernel view: 2^32 blocks, what an EROFS device can have; a bootstrap:
// some two hundred million inodes of ours; a chunk index: 5 million frames.
inline constexpr std::uint64_t kMaxObjectBytes = std::uint64_t{1} << 44;
inline constexpr std::uint64_t kMaxBootstrapBytes = std::uint64_t{1} << 35;
inline constexpr std::uint64_t kMaxChunkIndexBytes = std::uint64_t{256} * 1024 * 1024;

struct FetchContext {
  source::Source& source;
  std::filesystem::path temporary_directory;
  std::chrono::milliseconds request_timeout;
  std::chrono::milliseconds stall_timeout;
};

// A verified object under a temporary name.
struct FetchedObject {
  util::AtomicFile file;             // kernel view, padded with written zeros: no holes
  std::uint64_t size = 0;            // of the file; a multiple of 4096
  hash::Digest uncompressed_digest;  // of the bytes before the padding
};

// Fetches and, for kZstd, decompresses.  `expected` is the digest of the uncompressed bytes where
// it is known.  `limit`: of the uncompressed bytes; of the stored ones a
// sixteenth more.  Range: limit <= kMaxObjectBytes.  `name` is for messages.  Throws
// kNotFound when the source has no such blob, kDigestMismatch, kCorrupt, kTooLarge, kIo, and what
// the source throws.
FetchedObject fetch_object(const FetchContext& context, const oci::Descriptor& descriptor,
                           oci::Framing framing, const std::optional<hash::Digest>& expected,
                           std::uint64_t limit, const std::string& name);

// The payload of a device blob's chunk index, standalone or embedded, with the digest that the
// manifest states.  nullopt when there is none that can be verified, or it is above
// kMaxChunkIndexBytes.  Throws as above.
std::optional<util::Buffer> fetch_chunk_index(const FetchContext& context,
                                              const oci::DeviceBlob& device,
                                              const std::string& name);

}  // namespace ondemand::cache
