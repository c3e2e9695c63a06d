// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_status.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <ostream>

#include "blobctl/image_lookup.h"
#include "blobctl/status_report.h"
#include "blobctl/transport_choice.h"
#include "control/control.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

constexpr std::chrono::milliseconds kPingTimeout{2'000};

// The daemon's own status, empty when none answers.
std::string ask_daemon(const cache::CacheRoot& root) {
  try {
    return control::call(root.path(), R"({"op":"status"})", kPingTimeout).value_or("");
  } catch (const util::Error&) {
    return {};  // a daemon that does not answer serves nothing; the report goes on
  }
}

Action define(CLI::App& app) {
  auto options = std::make_shared<StatusOptions>();
  add_cache_options(app, options->cache);
  app.add_option("REF", options->reference, "Name or digest of one prepared image (default: all)");
  app.add_flag("--json", options->json, "Print JSON");
  app.footer(
      "An image is 'complete' when all its data is in the cache, 'lazy' when a part would be\n"
      "fetched on demand. Exit status 1 when an image is broken.");
  return [options](cli::Io& io) { return run_status(*options, io); };
}

}  // namespace

int run_status(const StatusOptions& options, cli::Io& io) {
  const cache::CacheRoot root(options.cache.root);
  if (!std::filesystem::is_directory(root.path()))
    throw util::Error(util::ErrorCode::kNotFound,
                      util::printable(root.path().native()) + ": status: there is no cache");
  std::vector<hash::Digest> images;
  if (options.reference.empty())
    images = root.list_images();
  else
    images.push_back(resolve_prepared(root, options.reference, "status"));
  CacheStatus status = collect_status(root, images, mount::list_mounts());
  status.daemon_json = ask_daemon(root);
  status.is_served = !status.daemon_json.empty();
  if (status.is_served) status.transport = control::transport_in(status.daemon_json);
  if (options.json)
    io.out << to_json(status) << '\n';
  else
    print(status, io.out);
  const bool broken = std::any_of(status.images.begin(), status.images.end(),
                                  [](const ImageStatus& image) { return !image.error.empty(); });
  return broken ? 1 : 0;
}

const Command kStatusCommand{"status", "Show images, blobs and bytes present", define};

}  // namespace ondemand::blobctl
