// SPDX-License-Identifier: Apache-2.0
//
// The chunk index of the EROFS image layer format as bytes.
// Source: erofs-image-spec, spec.md section 3.4.
// What the specification calls a chunk is a frame in our words (doc/GLOSSARY.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "util/endian.h"

namespace ondemand::format {

inline constexpr std::array<std::uint8_t, 4> kChunkIndexMagic{0xCD, 0xE4, 0xEC, 0x67};
// Version history: 1 = the draft of 2026.
inline constexpr std::uint8_t kChunkIndexVersion = 1;

// Values reach the disk: do not change them.
inline constexpr std::uint8_t kChunkIndexCompressionNone = 0;
inline constexpr std::uint8_t kChunkIndexCompressionZstd = 1;
inline constexpr std::uint8_t kChunkIndexHashNone = 0;
inline constexpr std::uint8_t kChunkIndexHashSha2 = 1;

struct ChunkIndexHeader {
  std::array<std::uint8_t, 4> magic;
  std::uint8_t version;
  std::uint8_t compression_type;
  util::Le16 flags;  // zero
  util::Le64 uncompressed_size;
  util::Le32 num_chunks;
  std::uint8_t hash_algo;
  std::uint8_t hash_size;                 // 0, 32 (SHA-256) or 64 (SHA-512)
  std::array<std::uint8_t, 10> reserved;  // zero
};

// One entry with a SHA-256 checksum, the only form that we write.
struct ChunkIndexEntry {
  util::Le64 blob_offset;
  util::Le64 uncompressed_offset;
  std::array<std::uint8_t, 32> checksum;  // of the stored bytes
};

static_assert(sizeof(ChunkIndexHeader) == 32 && alignof(ChunkIndexHeader) == 1);
static_assert(offsetof(ChunkIndexHeader, version) == 4);
static_assert(offsetof(ChunkIndexHeader, compression_type) == 5);
static_assert(offsetof(ChunkIndexHeader, flags) == 6);
static_assert(offsetof(ChunkIndexHeader, uncompressed_size) == 8);
static_assert(offsetof(ChunkIndexHeader, num_chunks) == 16);
static_assert(offsetof(ChunkIndexHeader, hash_algo) == 20);
static_assert(offsetof(ChunkIndexHeader, hash_size) == 21);
static_assert(offsetof(ChunkIndexHeader, reserved) == 22);
static_assert(sizeof(ChunkIndexEntry) == 48 && alignof(ChunkIndexEntry) == 1);
static_assert(offsetof(ChunkIndexEntry, uncompressed_offset) == 8);
static_assert(offsetof(ChunkIndexEntry, checksum) == 16);
static_assert(std::is_trivially_copyable_v<ChunkIndexHeader> &&
              std::is_standard_layout_v<ChunkIndexHeader>);
static_assert(std::is_trivially_copyable_v<ChunkIndexEntry> &&
              std::is_standard_layout_v<ChunkIndexEntry>);

}  // namespace ondemand::format
