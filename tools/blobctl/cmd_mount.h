// SPDX-License-Identifier: Apache-2.0
//
// blobctl mount REF MOUNTPOINT: mounts a prepared image, once all its data is local or watched.
#pragma once

#include <string>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct MountOptions {
  CacheOptions cache;
  std::string reference;
  std::string mountpoint;
  std::string transport = "auto";
  bool nodev = false;
  bool nosuid = false;
  bool noexec = false;
};

// Throws kUnavailable when data is missing and no demandd serves the cache: a file-backed mount
// without one would read zeros for it, one over fscache would have I/O errors.
int run_mount(const MountOptions& options, cli::Io& io);

extern const Command kMountCommand;

}  // namespace ondemand::blobctl
