// SPDX-License-Identifier: Apache-2.0
//
// What a family of images would take at several chunk sizes, frame sizes and compression levels,
// measured by the very code that builds images: cut, digested, deduplicated, framed, compressed,
// with a bootstrap.  Nothing is kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "input/image_input.h"
#include "input/spool.h"

namespace ondemand::image {

struct MeasureOptions {
  std::vector<std::uint32_t> chunk_sizes;  // powers of two >= 4096
  std::vector<std::uint32_t> frame_sizes;  // multiples of 4096
  std::vector<int> levels;                 // of zstd; 0: not compressed
  std::size_t jobs = 1;
  std::filesystem::path temporary = input::default_temporary_directory();
};

// The data that an image adds, in one way of storing it.
struct StoredMeasure {
  std::uint32_t frame_size = 0;
  int level = 0;
  std::uint64_t frames = 0;
  std::uint64_t stored_bytes = 0;  // of all frames
  std::uint64_t index_bytes = 0;   // of the chunk index
};

struct ChunkMeasure {
  std::uint32_t chunk_size = 0;
  std::uint64_t input_bytes = 0;  // of the files of all layers
  std::uint64_t hole_bytes = 0;
  std::uint64_t chunks = 0;         // holes are none
  std::uint64_t unique_chunks = 0;  // not in this image before, nor in an earlier one
  std::uint64_t unique_bytes = 0;
  std::uint64_t inodes = 0;
  std::uint64_t bootstrap_bytes = 0;
  std::uint64_t bootstrap_stored_bytes = 0;  // zstd
  std::vector<StoredMeasure> stored;         // frame sizes, for each of them the levels
};

struct ImageMeasure {
  std::string name;
  std::vector<std::string> warnings;  // of its layers, as a build tells them
  std::vector<ChunkMeasure> chunks;   // one for each chunk size
};

// Each image is measured behind those before it: what it adds to them.  Each is read once for each
// chunk size; its layers must be readable several times.
// Throws what reading images and writing bootstraps throws.
std::vector<ImageMeasure> measure_images(const std::vector<input::ImageInput>& images,
                                         const MeasureOptions& options);

}  // namespace ondemand::image
