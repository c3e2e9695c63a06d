// SPDX-License-Identifier: Apache-2.0
//
// Which processes have a device node open.  Source: proc(5).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace ondemand::probe {

struct Holder {
  pid_t pid = 0;
  std::string command;  // printable
};

// Of the character device behind `node`; as far as this process may see.  The device itself is not
// opened: that alone would keep a daemon from opening it.
std::vector<Holder> device_holders(const std::filesystem::path& node);

}  // namespace ondemand::probe
