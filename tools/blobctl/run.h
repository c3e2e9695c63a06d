// SPDX-License-Identifier: Apache-2.0
//
// The whole of blobctl but main(): parses the command line, runs one command of the table.
#pragma once

#include <string>
#include <vector>

#include "cli/io.h"

namespace ondemand::blobctl {

// Returns the exit status: 0 done, 1 failed, 2 wrong usage.  `args` without the program's name.
int run(const std::vector<std::string>& args, cli::Io& io);

}  // namespace ondemand::blobctl
