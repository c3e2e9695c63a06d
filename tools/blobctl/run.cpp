// SPDX-License-Identifier: Apache-2.0
#include "blobctl/run.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "blobctl/command.h"
#include "cli/tool_main.h"

namespace ondemand::blobctl {

namespace {

constexpr std::string_view kTool = "blobctl";

constexpr const char* kDescription =
    "Prepare, mount and inspect on-demand EROFS images.\n\n"
    "An image is prepared once into a cache root (bootstrap, sparse backing files), then mounted;\n"
    "demandd fills the backing files as they are read.";

constexpr const char* kFooter =
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "'blobctl COMMAND --help' tells the options of a command.";

}  // namespace

int run(const std::vector<std::string>& args, cli::Io& io) {
  CLI::App app(kDescription, std::string(kTool));
  app.set_version_flag("--version", cli::version_text(kTool), "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer(kFooter);
  app.require_subcommand(1);

  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    sub->set_help_flag("-h,--help", "Print this help and exit");
    sub->set_version_flag("--version", cli::version_text(kTool), "Print the version and exit");
    sub->footer("");  // not the one of the whole
    actions.emplace_back(sub, command.define(*sub));
  }

  const int status = cli::parse_arguments(app, kTool, args, io);
  if (status >= 0) return status;
  return cli::run_guarded(kTool, io, [&] {
    for (const auto& [sub, action] : actions)
      if (sub->parsed()) return action(io);
    return cli::kExitUsage;  // not reached: require_subcommand(1)
  });
}

}  // namespace ondemand::blobctl
