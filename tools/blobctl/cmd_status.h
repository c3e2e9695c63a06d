// SPDX-License-Identifier: Apache-2.0
//
// blobctl status [REF]: what a cache root holds, how much of it is present, where it is mounted.
#pragma once

#include <string>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct StatusOptions {
  CacheOptions cache;
  std::string reference;  // empty: all images
  bool json = false;
};

int run_status(const StatusOptions& options, cli::Io& io);

extern const Command kStatusCommand;

}  // namespace ondemand::blobctl
