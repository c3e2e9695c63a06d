// SPDX-License-Identifier: Apache-2.0
//
// blobctl diff A B: what differs between two images, by path and by chunk.
#pragma once

#include <string>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct DiffOptions {
  SourceOptions source;
  std::string other_store;  // of the second image; empty: the same source
  std::string first;
  std::string second;
  bool json = false;
};

int run_diff(const DiffOptions& options, cli::Io& io);

extern const Command kDiffCommand;

}  // namespace ondemand::blobctl
