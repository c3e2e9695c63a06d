// SPDX-License-Identifier: Apache-2.0
//
// blobctl prepare (--store DIR | --registry URL) REF: brings an image into a cache root.
#pragma once

#include <string>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct PrepareCommandOptions {
  CacheOptions cache;
  SourceOptions source;
  std::string use = "auto";  // a word of cache::parse_cache_use()
  std::string reference;
};

// Prints the manifest digest alone on io.out.
int run_prepare(const PrepareCommandOptions& options, cli::Io& io);

extern const Command kPrepareCommand;

}  // namespace ondemand::blobctl
