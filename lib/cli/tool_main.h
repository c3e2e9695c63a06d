// SPDX-License-Identifier: Apache-2.0
//
// The one catch of each tool and the common parts of its command line.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/io.h"

namespace CLI {
class App;
}

namespace ondemand::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// What --version prints after the tool's name.
std::string version_text(std::string_view tool);

// For CLI11's check(): why the value is refused, empty when it is not.  An empty path is what a
// shell makes of a variable that nobody has set.
std::string refuse_empty(const std::string& value);

// Runs `body` and turns what it throws into one line "tool: object: action: reason" on io.err and
// an exit status: 0, 1 failed, 2 wrong usage.  SIGPIPE is ignored from here on.
int run_guarded(std::string_view tool, Io& io, const std::function<int()>& body);

// Parses `args` (without the program's name).  Returns -1 when the command is to run, else the
// exit status: --help and --version print to io.out with 0, wrong usage one line to io.err with 2.
int parse_arguments(CLI::App& app, std::string_view tool, const std::vector<std::string>& args,
                    Io& io);

// main() of every tool: builds the real Io and calls `run`.
using Run = int (*)(const std::vector<std::string>& args, Io& io);
int tool_main(int argc, char** argv, Run run);

}  // namespace ondemand::cli
