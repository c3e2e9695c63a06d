// SPDX-License-Identifier: Apache-2.0
//
// What the command line of mkfs-erofs-ondemand says, as a plain structure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/io.h"
#include "image/image_builder.h"
#include "util/units.h"

namespace ondemand::mkfs {

enum class BlobLayout { kLayer, kImage };

struct Options {
  std::string image;  // path, or "-" for standard input
  std::string output = "erofs-store";
  std::string ref;
  std::string platform;
  std::uint64_t chunk_size = 64 * util::kKiB;
  std::uint64_t frame_size = 256 * util::kKiB;
  image::ZeroChunks zero_chunks = image::ZeroChunks::kHole;
  std::string compression = "zstd:3";
  bool is_compressed = true;  // from `compression`
  int zstd_level = 3;         // from `compression`
  BlobLayout blobs = BlobLayout::kLayer;
  std::vector<std::string> chunk_dict;
  std::size_t max_blobs = image::kDefaultMaxBlobs;
  unsigned jobs = 0;  // 0: as many as there are processors
  bool sync = true;
  bool verify = false;
  image::ReadRules rules;
  bool json = false;
  bool quiet = false;
};

// Returns -1 when the command is to run, else the exit status (help, version, wrong usage).
int parse_options(const std::vector<std::string>& args, cli::Io& io, Options& options);

}  // namespace ondemand::mkfs
