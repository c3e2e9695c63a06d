// SPDX-License-Identifier: Apache-2.0
#include "cli/tool_main.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string_view>

#include "cli/version.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::cli {

namespace {

// Source: terminfo(5), "dumb" has no capability but carriage return and line feed.
bool is_capable_terminal(int fd) {
  const char* type = std::getenv("TERM");
  return ::isatty(fd) == 1 && type != nullptr && *type != '\0' && std::string_view(type) != "dumb";
}

// Where a standard descriptor is closed, a file that we open would get its number, and what is
// meant for the reader would go into that file.  Writing to this one fails.
void occupy_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDONLY);  // takes the lowest number: fd
}

// A result that did not reach its reader is a failure.
int check_output(std::string_view tool, Io& io) {
  io.out.flush();
  if (io.out) return kExitOk;
  io.err << tool << ": standard output: write: failed\n";
  return kExitFailed;
}

}  // namespace

std::string version_text(std::string_view tool) {
  return util::concat(tool, " ", kVersion);
}

std::string refuse_empty(const std::string& value) {
  return value.empty() ? "must not be empty" : "";
}

int run_guarded(std::string_view tool, Io& io, const std::function<int()>& body) {
  // A closed pipe and a file above the limit are errors of write(2), told like any other.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const int status = body();
    const int output = check_output(tool, io);
    return status == kExitOk ? output : status;
  } catch (const util::Error& error) {
    io.err << tool << ": " << error.what() << '\n';
    return util::exit_status(error.code());
  } catch (const std::bad_alloc&) {
    io.err << tool << ": memory: allocate: out of memory\n";
  } catch (const std::exception& error) {
    io.err << tool << ": internal error: " << error.what() << '\n';
  }
  return kExitFailed;
}

int parse_arguments(CLI::App& app, std::string_view tool, const std::vector<std::string>& args,
                    Io& io) {
  try {
    app.parse(std::vector<std::string>(args.rbegin(), args.rend()));  // CLI11 takes them reversed
    return -1;
  } catch (const CLI::CallForHelp&) {
    io.out << app.help();
  } catch (const CLI::CallForAllHelp&) {
    io.out << app.help("", CLI::AppFormatMode::All);
  } catch (const CLI::CallForVersion& version) {
    io.out << version.what() << '\n';
  } catch (const CLI::ParseError& error) {
    std::string help(tool);
    for (const CLI::App* command : app.get_subcommands())
      help.append(" ").append(command->get_name());
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    io.err << tool << ": usage: " << util::printable(text) << " (see '" << help << " --help')\n";
    return kExitUsage;
  }
  return check_output(tool, io);
}

int tool_main(int argc, char** argv, Run run) {
  occupy_standard_descriptors();
  Io io{STDIN_FILENO, std::cout, std::cerr, is_capable_terminal(STDERR_FILENO)};
  struct winsize size {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    io.err_columns = size.ws_col;
  return run(std::vector<std::string>(argv + 1, argv + argc), io);
}

}  // namespace ondemand::cli
