// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_prepare.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <ostream>
#include <vector>

#include "blobctl/device_table.h"
#include "blobctl/transport_choice.h"
#include "cache/prepare.h"
#include "cachefiles/abi.h"
#include "control/control.h"
#include "format/image_spec.h"
#include "oci/json.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

// Names of the images in a store directory, for the message that one is not there.
std::vector<std::string> names_in_store(const std::string& store) {
  const std::string path = store + "/index.json";
  const oci::Index index =
      oci::parse_index(util::read_text_file(path, oci::kMaxIndexBytes), util::printable(path));
  std::vector<std::string> names;
  for (const oci::Descriptor& entry : index.manifests) {
    std::string name = entry.annotation(format::kAnnotationRefName);
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

std::string offer(const std::string& store, const std::string& reference) {
  constexpr std::size_t kShown = 8;
  const std::vector<std::string> names = names_in_store(store);
  if (std::find(names.begin(), names.end(), reference) != names.end()) return "";
  if (names.empty()) return "; it names no image";
  std::string text = "; it has ";
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i)
    text += util::concat(i > 0 ? ", " : "", "'", util::printable(names[i]), "'");
  if (names.size() > kShown) text += util::concat(" and ", names.size() - kShown, " more");
  return text;
}

Action define(CLI::App& app) {
  auto options = std::make_shared<PrepareCommandOptions>();
  add_source_options(app, options->source, true);
  add_cache_options(app, options->cache);
  app.add_option("REF", options->reference, "Name, tag or sha256:... digest of the image")
      ->required();
  app.add_option("--for", options->use,
                 "Transport that the cache is for: cachefiles-demand marks it for the kernel,\n"
                 "cachefiles needs it unmarked, fanotify takes both; auto marks a new cache where\n"
                 "/dev/cachefiles_demand exists")
      ->type_name("NAME")
      ->check(CLI::IsMember({"auto", "fanotify", "cachefiles-demand", "cachefiles"}))
      ->capture_default_str();
  app.footer(
      "Fetches and verifies the bootstrap and the chunk indexes, and makes sparse backing files\n"
      "for the data. Prints the digest of the image's manifest, which every later REF may be.\n"
      "Running it again changes nothing.");
  return [options](cli::Io& io) { return run_prepare(*options, io); };
}

// A running demandd watches the backing files from now on, also those that were made anew.
void tell_daemon(const cache::CacheRoot& root, const cache::PreparedImage& image, cli::Io& io) {
  constexpr std::chrono::milliseconds kTimeout{10'000};
  try {
    control::register_image(root.path(), image.manifest, kTimeout);
  } catch (const util::Error& error) {
    io.err << "blobctl: warning: " << error.message() << '\n';
  }
}

// Without the demand device nobody can use the mark, and demandd serves through another one.
//
// A mark on a cache that demandd has bound through /dev/cachefiles would keep it from binding it
// again.
cache::CacheUse cache_use(const PrepareCommandOptions& options, const cache::CacheRoot& root) {
  const auto use = cache::parse_cache_use(options.use);
  if (!use)
    throw util::Error(util::ErrorCode::kUsage,
                      util::concat("--for ", util::printable(options.use), ": parse: is unknown"));
  if (*use == cache::CacheUse::kAuto && !std::filesystem::exists(cachefiles::abi::kDemandDevice))
    return cache::CacheUse::kFanotify;
  const bool may_mark =
      *use == cache::CacheUse::kAuto || *use == cache::CacheUse::kCachefilesDemand;
  if (may_mark && running_transport(root) == TransportKind::kCachefiles) {
    if (*use == cache::CacheUse::kAuto) return cache::CacheUse::kFanotify;
    throw util::Error(util::ErrorCode::kUnavailable,
                      util::concat(util::printable(root.path().native()),
                                   ": prepare for cachefiles-demand: demandd serves this cache "
                                   "through cachefiles; stop it first"));
  }
  return *use;
}

}  // namespace

int run_prepare(const PrepareCommandOptions& options, cli::Io& io) {
  const cache::CacheRoot root(options.cache.root);
  const auto source = open_source(options.source);
  cache::PrepareOptions prepare;
  prepare.use = cache_use(options, root);
  prepare.check = check_device_table;
  prepare.view_limit = slot_limit;
  prepare.note = [&io](std::string_view line) { io.err << "blobctl: " << line << '\n'; };
  try {
    const cache::PreparedImage image =
        cache::prepare_image(root, *source, options.reference, prepare);
    io.out << image.manifest.to_string() << '\n';
    tell_daemon(root, image, io);
  } catch (const util::Error& error) {
    if (error.code() != util::ErrorCode::kNotFound || options.source.store.empty()) throw;
    throw util::Error(error.code(),
                      error.message() + offer(options.source.store, options.reference));
  }
  return 0;
}

const Command kPrepareCommand{"prepare", "Bring an image into the cache, ready to be mounted",
                              define};

}  // namespace ondemand::blobctl
