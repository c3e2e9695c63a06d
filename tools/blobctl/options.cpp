// SPDX-License-Identifier: Apache-2.0
#include "blobctl/options.h"

#include <CLI/CLI.hpp>

#include "cli/tool_main.h"

namespace ondemand::blobctl {

void add_cache_options(CLI::App& app, CacheOptions& options) {
  app.add_option("--cache", options.root, "Cache root")
      ->type_name("ROOT")
      ->check(cli::refuse_empty)
      ->capture_default_str();
}

void add_source_options(CLI::App& app, SourceOptions& options, bool required) {
  auto* group = app.add_option_group("source", "Where the image comes from");
  group->add_option("--store", options.store, "Store directory (an OCI image layout)")
      ->type_name("DIR")
      ->check(cli::refuse_empty);
  group->add_option("--registry", options.registry, "http://host[:port]/repository")
      ->type_name("URL");
  group->require_option(required ? 1 : 0, 1);
}

std::unique_ptr<source::Source> open_source(const SourceOptions& options) {
  if (!options.store.empty()) return source::open_store_source(options.store);
  return source::open_http_source(options.registry);
}

}  // namespace ondemand::blobctl
