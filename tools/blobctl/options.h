// SPDX-License-Identifier: Apache-2.0
//
// Options that several commands share.  Defaults are written here, once; help texts come from them.
#pragma once

#include <memory>
#include <string>

#include "cache/cache_root.h"
#include "source/source.h"

namespace CLI {
class App;
}

namespace ondemand::blobctl {

struct CacheOptions {
  std::string root = std::string(cache::kDefaultRoot);
};

// Where an image comes from: exactly one of the two.
struct SourceOptions {
  std::string store;     // directory: an OCI image layout
  std::string registry;  // http://host[:port]/repository
};

// --cache ROOT
void add_cache_options(CLI::App& app, CacheOptions& options);
// --store DIR | --registry URL
void add_source_options(CLI::App& app, SourceOptions& options, bool required);
// Throws kUsage, kNotFound, kCorrupt.  Range: one of the two is given.
std::unique_ptr<source::Source> open_source(const SourceOptions& options);

}  // namespace ondemand::blobctl
