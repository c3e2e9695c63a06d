// SPDX-License-Identifier: Apache-2.0
//
// blobctl measure IMAGE...: what images would take at several chunk and frame sizes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blobctl/command.h"
#include "util/units.h"

namespace ondemand::blobctl {

struct MeasureCommandOptions {
  std::vector<std::string> images;  // paths
  std::vector<std::uint64_t> chunk_sizes{4 * util::kKiB, 16 * util::kKiB, 64 * util::kKiB,
                                         256 * util::kKiB, util::kMiB};
  std::vector<std::uint64_t> frame_sizes{256 * util::kKiB};
  std::vector<std::string> compression{"zstd:3"};
  std::vector<int> levels;  // from `compression`; 0: none
  unsigned jobs = 0;        // 0: as many as there are processors
  bool json = false;
};

int run_measure(const MeasureCommandOptions& options, cli::Io& io);

extern const Command kMeasureCommand;

}  // namespace ondemand::blobctl
