// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_inspect.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <ostream>

#include "blobctl/cut_guard.h"
#include "blobctl/image_lookup.h"
#include "blobctl/inspect_report.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/mapped_file.h"
#include "util/text.h"

namespace ondemand::blobctl {

namespace {

constexpr std::chrono::seconds kManifestTimeout{30};

Action define(CLI::App& app) {
  auto options = std::make_shared<InspectOptions>();
  add_source_options(app, options->source, false);
  add_cache_options(app, options->cache);
  app.add_option("WHAT", options->what,
                 "A bootstrap, chunk index or manifest file; or the name or digest of an image")
      ->required();
  app.add_option("--path", options->path, "Also show this inode of a bootstrap, with its extents")
      ->type_name("PATH");
  app.add_flag("--json", options->json, "Print JSON");
  app.footer(
      "What a file is, is told by its content. A WHAT that is no file is an image: in the source\n"
      "if one is given, else prepared in the cache; then its manifest is shown.");
  return [options](cli::Io& io) { return run_inspect(*options, io); };
}

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// Where a person finds the parts of a prepared image, to inspect them in turn.
InspectSection describe_files(const cache::PreparedImage& image) {
  InspectSection section{"files", true, {}};
  section.members.push_back({{"kind", "bootstrap"}, {"path", image.bootstrap.native()}});
  for (const cache::PreparedBlob& blob : image.blobs) {
    section.members.push_back({{"kind", "blob"}, {"path", blob.backing_file.native()}});
    if (!blob.chunk_index.empty())
      section.members.push_back({{"kind", "chunk-index"}, {"path", blob.chunk_index.native()}});
  }
  return section;
}

// Mapped, since a bootstrap may be too large for memory.
InspectReport inspect_file(const InspectOptions& options, const std::string& name) {
  const util::Fd fd = util::open_file(options.what, O_RDONLY);
  const util::MappedFile file(fd.get(), name);
  const CutGuard guard;
  const auto fail_if_cut = [&] {
    if (guard.has_met_cut())
      throw util::Error(util::ErrorCode::kIo,
                        name + ": inspect: another process has cut it meanwhile");
  };
  try {
    InspectReport report = inspect_bytes(file.bytes(), name, options.path);
    fail_if_cut();
    return report;
  } catch (const util::Error&) {
    fail_if_cut();
    throw;
  }
}

InspectReport inspect_in_source(const InspectOptions& options, const std::string& name) {
  const auto source = open_source(options.source);
  const auto manifest =
      source->find_manifest(options.what, std::chrono::steady_clock::now() + kManifestTimeout);
  if (!manifest)
    throw util::Error(util::ErrorCode::kNotFound,
                      util::concat(name, ": inspect: ", source->name(), " does not have it"));
  return inspect_bytes(util::as_bytes(manifest->json), name, options.path);
}

InspectReport inspect_in_cache(const InspectOptions& options, const std::string& name) {
  const cache::CacheRoot root(options.cache.root);
  const hash::Digest digest = resolve_prepared(root, options.what, "inspect");
  const std::string json = root.read_manifest(digest);
  InspectReport report = inspect_bytes(util::as_bytes(json), name, options.path);
  report.sections.push_back(describe_files(root.open_image(digest)));
  return report;
}

}  // namespace

int run_inspect(const InspectOptions& options, cli::Io& io) {
  const bool has_source = !options.source.store.empty() || !options.source.registry.empty();
  const std::string name = util::printable(options.what);
  InspectReport report;
  if (has_source) {
    report = inspect_in_source(options, util::concat("image ", name));
  } else if (is_file(options.what)) {
    report = inspect_file(options, name);
  } else {
    report = inspect_in_cache(options, util::concat("image ", name));
  }
  if (options.json)
    io.out << to_json(report) << '\n';
  else
    print(report, io.out);
  return 0;
}

const Command kInspectCommand{"inspect", "Show every field of a bootstrap, index or manifest",
                              define};

}  // namespace ondemand::blobctl
