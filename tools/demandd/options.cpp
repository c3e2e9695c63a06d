// SPDX-License-Identifier: Apache-2.0
#include "demandd/options.h"

#include <CLI/CLI.hpp>
#include <map>

#include "cli/tool_main.h"

namespace ondemand::demandd {

namespace {

constexpr std::string_view kTool = "demandd";

void add_origin_options(CLI::App& app, Options& options) {
  const auto add = [&](bool is_store) {
    return [&options, is_store](const std::vector<std::string>& values) {
      for (const std::string& value : values)
        options.origins.push_back({is_store, value});
      return true;
    };
  };
  // A blob is looked for in each, stores first.
  app.add_option("--store", add(true), "Store directory (an OCI image layout); repeatable")
      ->type_name("DIR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--registry", add(false), "http://host[:port]/repository; repeatable")
      ->type_name("URL")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_log_options(CLI::App& app, Options& options) {
  static const std::map<std::string, util::LogLevel> kLevels{{"error", util::LogLevel::kError},
                                                             {"warning", util::LogLevel::kWarning},
                                                             {"info", util::LogLevel::kInfo},
                                                             {"debug", util::LogLevel::kDebug}};
  static const std::map<std::string, LogKind> kKinds{
      {"stderr", LogKind::kStderr}, {"journal", LogKind::kJournal}, {"null", LogKind::kNull}};
  app.add_option_function<std::string>(
         "--log-level",
         [&options](const std::string& word) { options.log_level = kLevels.at(word); },
         "error, warning, info or debug (default info)")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}).description(""))
      ->type_name("LEVEL");
  app.add_option_function<std::string>(
         "--log", [&options](const std::string& word) { options.log = kKinds.at(word); },
         "stderr, journal or null (default stderr)")
      ->check(CLI::IsMember({"stderr", "journal", "null"}).description(""))
      ->type_name("WHERE");
}

}  // namespace

std::optional<Options> parse_options(const std::vector<std::string>& args, cli::Io& io,
                                     int& status) {
  Options options;
  std::uint64_t timeout_s = 30;
  CLI::App app("Serves the missing data of prepared images as the kernel asks for it.",
               std::string(kTool));
  app.set_version_flag("--version", cli::version_text(kTool), "Print the version and exit");
  app.add_option("--cache", options.cache_root, "Cache root")
      ->type_name("ROOT")
      ->check(cli::refuse_empty)
      ->capture_default_str();
  add_origin_options(app, options);
  app.add_option("--transport", options.transport,
                 "Kernel interface: cachefiles-demand, fanotify, cachefiles, or auto:\n"
                 "the first of them that works")
      ->check(
          CLI::IsMember({"auto", "cachefiles-demand", "fanotify", "cachefiles"}).description(""))
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--request-timeout", timeout_s,
                 "Seconds after which a read fails with EIO, 1-3600")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{3600}).description(""))
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_flag("--check", options.check_only,
               "Only tell which interfaces this kernel offers for that cache");
  add_log_options(app, options);
  status = cli::parse_arguments(app, kTool, args, io);
  if (status >= 0) return std::nullopt;
  if (options.origins.empty() && !options.check_only) {
    io.err << kTool << ": usage: give at least one --store or --registry (see 'demandd --help')\n";
    status = cli::kExitUsage;
    return std::nullopt;
  }
  options.request_timeout = std::chrono::seconds(timeout_s);
  return options;
}

util::Log::Sink make_log_sink(LogKind kind) {
  switch (kind) {
    case LogKind::kStderr:
      return util::Log::stderr_sink(std::string(kTool));
    case LogKind::kJournal:
      return util::Log::journal_sink();
    case LogKind::kNull:
      break;
  }
  return util::Log::null_sink();
}

serve::Sources open_sources(const Options& options) {
  serve::Sources sources;
  for (const Options::Origin& origin : options.origins) {
    sources.push_back(origin.is_store ? source::open_store_source(origin.where)
                                      : source::open_http_source(origin.where));
  }
  return sources;
}

}  // namespace ondemand::demandd
