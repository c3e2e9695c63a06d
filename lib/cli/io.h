// SPDX-License-Identifier: Apache-2.0
//
// The world of a command-line tool, injected so that tests run a whole command in process.
#pragma once

#include <iosfwd>

namespace ondemand::cli {

// Standard output is the tool's result; everything else goes to standard error.
struct Io {
  int in_fd;  // standard input, for "-"
  std::ostream& out;
  std::ostream& err;
  bool err_is_terminal;       // one that can erase a line
  unsigned err_columns = 80;  // of that terminal
};

}  // namespace ondemand::cli
