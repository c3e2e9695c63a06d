// SPDX-License-Identifier: Apache-2.0
#include "demandd/run.h"

#include "cli/tool_main.h"
#include "demandd/daemon.h"
#include "demandd/options.h"

namespace ondemand::demandd {

int run(const std::vector<std::string>& args, cli::Io& io) {
  int status = cli::kExitOk;
  const std::optional<Options> options = parse_options(args, io, status);
  if (!options) return status;
  return cli::run_guarded("demandd", io, [&] {
    return options->check_only ? check_system(*options, io) : run_daemon(*options);
  });
}

}  // namespace ondemand::demandd
