// SPDX-License-Identifier: Apache-2.0
//
// blobctl export REF: an image back into a tar of its root file system.
#pragma once

#include <string>

#include "blobctl/command.h"
#include "blobctl/options.h"

namespace ondemand::blobctl {

struct ExportOptions {
  SourceOptions source;
  std::string reference;
  std::string output;  // empty: standard output
};

int run_export(const ExportOptions& options, cli::Io& io);

extern const Command kExportCommand;

}  // namespace ondemand::blobctl
