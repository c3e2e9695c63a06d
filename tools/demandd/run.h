// SPDX-License-Identifier: Apache-2.0
//
// The whole of demandd but main().
#pragma once

#include <string>
#include <vector>

#include "cli/io.h"

namespace ondemand::demandd {

// Returns the exit status: 0 ended as asked, 1 failed, 2 wrong usage.
int run(const std::vector<std::string>& args, cli::Io& io);

}  // namespace ondemand::demandd
