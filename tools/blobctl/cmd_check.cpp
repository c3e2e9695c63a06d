// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_check.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "blobctl/json_writer.h"
#include "cli/tool_main.h"
#include "input/spool.h"
#include "oci/json.h"
#include "oci/select.h"
#include "store/store.h"
#include "util/error.h"
#include "util/text.h"
#include "view/image_check.h"

namespace ondemand::blobctl {

namespace {

using view::ImageReport;

Action define(CLI::App& app) {
  auto options = std::make_shared<CheckOptions>();
  add_source_options(app, options->source, true);
  app.add_option("REF", options->references, "Names or digests of images");
  app.add_flag("--all", options->all, "Check every image of the store");
  app.add_flag("--json", options->json, "Print JSON");
  app.footer("Exit status: 0 all is right, 1 with a line for each defect.");
  return [options](cli::Io& io) { return run_check(*options, io); };
}

struct Wanted {
  std::string reference;
  std::string shown;
};

// Every manifest that the index leads to, by digest; what cannot be followed goes to `defects`.
std::vector<Wanted> list_images(const store::Store& store, std::vector<std::string>& defects) {
  const auto read = [&](const oci::Descriptor& entry) -> std::optional<std::string> {
    try {
      return store.read_small_blob(entry.digest, oci::kMaxIndexBytes);
    } catch (const util::Error& error) {
      defects.push_back(error.message());
      return std::nullopt;
    }
  };
  std::vector<Wanted> out;
  for (const oci::Descriptor& entry : oci::collect_manifests(store.list(), read, store.name())) {
    const std::string name = oci::display_name(entry);
    out.push_back({entry.digest.to_string(), name.empty() ? entry.digest.to_string() : name});
    const auto size = store.blob_size(entry.digest);
    if (size && *size != entry.size)
      defects.push_back(util::concat("index.json: check: says that manifest ",
                                     entry.digest.to_string(), " has ", entry.size,
                                     " bytes, it has ", *size));
  }
  return out;
}

void print_text(const ImageReport& report, const std::string& shown, std::ostream& out) {
  const std::string name = util::printable(shown);
  for (const std::string& defect : report.defects)
    out << name << ": " << defect << '\n';
  if (!report.defects.empty()) return;
  out << name << ": ";
  if (report.manifest && report.manifest->to_string() != shown)
    out << report.manifest->to_string() << ": ";
  out << "ok: ";
  if (report.is_erofs)
    out << report.blobs << " blobs, " << report.frames << " frames, "
        << util::human_bytes(report.decoded_bytes) << " decoded, " << report.inodes << " inodes\n";
  else
    out << report.objects << " objects, " << util::human_bytes(report.stored_bytes)
        << " (no EROFS image: digests only)\n";
}

void write_json(const ImageReport& report, const std::string& shown, JsonWriter& json) {
  json.begin_object().member("ref", shown);
  if (report.manifest) json.member("manifest", report.manifest->to_string());
  json.member("ok", report.defects.empty()).member("erofs", report.is_erofs);
  json.member("objects", report.objects).member("blobs", report.blobs);
  json.member("frames", report.frames).member("inodes", report.inodes);
  json.member("stored_bytes", report.stored_bytes).member("decoded_bytes", report.decoded_bytes);
  json.key("defects").begin_array();
  for (const std::string& defect : report.defects)
    json.value(defect);
  json.end_array().end_object();
}

}  // namespace

int run_check(const CheckOptions& options, cli::Io& io) {
  if (options.all != options.references.empty())
    throw util::Error(util::ErrorCode::kUsage, "check: name images, or give --all");
  if (options.all && options.source.store.empty())
    throw util::Error(util::ErrorCode::kUsage, "check: --all needs --store");
  std::vector<std::string> index_defects;
  std::vector<Wanted> wanted;
  for (const std::string& reference : options.references)
    wanted.push_back({reference, reference});
  if (options.all) wanted = list_images(store::Store::open(options.source.store), index_defects);

  const auto source = open_source(options.source);
  view::ImageChecker checker(*source, input::default_temporary_directory());
  std::size_t defects = index_defects.size();
  JsonWriter json;
  json.begin_object().key("images").begin_array();
  for (const Wanted& image : wanted) {
    const ImageReport report = checker.check(image.reference);
    defects += report.defects.size();
    if (options.json)
      write_json(report, image.shown, json);
    else
      print_text(report, image.shown, io.out);
  }
  json.end_array().key("index_defects").begin_array();
  for (const std::string& defect : index_defects) {
    json.value(defect);
    if (!options.json) io.out << defect << '\n';
  }
  json.end_array().member("defects", defects).end_object();
  if (options.json)
    io.out << json.text() << '\n';
  else if (defects > 0)
    io.out << "defects: " << defects << '\n';
  return defects > 0 ? cli::kExitFailed : cli::kExitOk;
}

const Command kCheckCommand{"check", "Verify whole images: every digest, every frame, every name",
                            define};

}  // namespace ondemand::blobctl
