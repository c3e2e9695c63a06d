// SPDX-License-Identifier: Apache-2.0
//
// The command line of demandd as a plain value.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache_root.h"
#include "cli/io.h"
#include "serve/frame_fetcher.h"
#include "util/log.h"

namespace ondemand::demandd {

enum class LogKind { kStderr, kJournal, kNull };

struct Options {
  std::string cache_root{cache::kDefaultRoot};
  // Places to look for blobs: stores first, then registries, each in the order of the command line.
  struct Origin {
    bool is_store = false;
    std::string where;
  };
  std::vector<Origin> origins;
  std::string transport = "auto";
  bool check_only = false;
  util::LogLevel log_level = util::LogLevel::kInfo;
  LogKind log = LogKind::kStderr;
  std::chrono::milliseconds request_timeout{30000};
};

// nullopt: all is done already (--help, --version, wrong usage), `status` is the exit status.
std::optional<Options> parse_options(const std::vector<std::string>& args, cli::Io& io,
                                     int& status);

util::Log::Sink make_log_sink(LogKind kind);

// Opens every origin.  Throws kUsage, kNotFound, kCorrupt.
serve::Sources open_sources(const Options& options);

}  // namespace ondemand::demandd
