// SPDX-License-Identifier: Apache-2.0
//
// blobctl check REF...: verifies whole images in a store.
#pragma once

#include <string>
#include <vector>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct CheckOptions {
  SourceOptions source;
  std::vector<std::string> references;
  bool all = false;
  bool json = false;
};

int run_check(const CheckOptions& options, cli::Io& io);

extern const Command kCheckCommand;

}  // namespace ondemand::blobctl
