// SPDX-License-Identifier: Apache-2.0
//
// blobctl inspect WHAT: every field of a bootstrap, chunk index or manifest by name.
#pragma once

#include <string>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct InspectOptions {
  CacheOptions cache;
  SourceOptions source;  // none: WHAT is a file, or prepared in the cache
  std::string what;
  std::string path;  // of one inode in a bootstrap; empty: none
  bool json = false;
};

int run_inspect(const InspectOptions& options, cli::Io& io);

extern const Command kInspectCommand;

}  // namespace ondemand::blobctl
