// SPDX-License-Identifier: Apache-2.0
//
// The table of blobctl's commands.  A command is one pair cmd_<name>.{h,cpp}: a plain struct of
// options with its defaults, `int run_<name>(const <Name>Options&, cli::Io&)` that does the work
// and throws util::Error, and a Command that binds the two to the command line.  To add one: write
// the pair and add one line to commands.cpp and CMakeLists.txt.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "cli/io.h"

namespace CLI {
class App;
}

namespace ondemand::blobctl {

// What a parsed command line asks for; returns the exit status.
using Action = std::function<int(cli::Io&)>;

struct Command {
  std::string_view name;
  std::string_view summary;  // one line of 'blobctl --help'
  // Declares the command's options on `app` and returns the action, which owns them.
  Action (*define)(CLI::App& app);
};

// In the order of 'blobctl --help'.
std::span<const Command> commands();

}  // namespace ondemand::blobctl
