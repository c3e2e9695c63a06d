// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/io.h"

namespace ondemand::mkfs {

// The whole command; returns its exit status.
int run(const std::vector<std::string>& args, cli::Io& io);

}  // namespace ondemand::mkfs
