// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_export.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "blobctl/tar_output.h"
#include "input/spool.h"
#include "view/export_tar.h"

namespace ondemand::blobctl {

namespace {

Action define(CLI::App& app) {
  auto options = std::make_shared<ExportOptions>();
  add_source_options(app, options->source, true);
  app.add_option("REF", options->reference, "Name or digest of the image")->required();
  app.add_option("-o,--output", options->output, "File to write (standard output)")
      ->type_name("FILE");
  return [options](cli::Io& io) { return run_export(*options, io); };
}

}  // namespace

int run_export(const ExportOptions& options, cli::Io& io) {
  const auto source = open_source(options.source);
  view::ImageView image(*source, options.reference, input::default_temporary_directory());
  const auto warn = [&io](const std::string& text) {
    io.err << "blobctl: warning: " << text << '\n';
  };
  write_output(options.output, io,
               [&](util::ByteSink& out) { view::export_tar(image, out, warn); });
  return 0;
}

const Command kExportCommand{"export", "Give an image back as a tar of its root file system",
                             define};

}  // namespace ondemand::blobctl
