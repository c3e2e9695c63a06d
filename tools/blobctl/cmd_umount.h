// SPDX-License-Identifier: Apache-2.0
//
// blobctl umount MOUNTPOINT|REF: unmounts one place, or all places of an image.
#pragma once

#include <string>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct UmountOptions {
  CacheOptions cache;
  std::string target;
  bool lazy = false;
};

int run_umount(const UmountOptions& options, cli::Io& io);

extern const Command kUmountCommand;

}  // namespace ondemand::blobctl
