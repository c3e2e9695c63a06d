// SPDX-License-Identifier: Apache-2.0
//
// blobctl doctor: what this machine can do for a cache, what is missing, and how to mend it.
#pragma once

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct DoctorOptions {
  CacheOptions cache;
  bool json = false;
};

// 0 when at least one transport is ready, else 1.
int run_doctor(const DoctorOptions& options, cli::Io& io);

extern const Command kDoctorCommand;

}  // namespace ondemand::blobctl
