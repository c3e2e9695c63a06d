// SPDX-License-Identifier: Apache-2.0
#include "blobctl/cmd_doctor.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "blobctl/doctor_report.h"

namespace ondemand::blobctl {

namespace {

Action define(CLI::App& app) {
  auto options = std::make_shared<DoctorOptions>();
  add_cache_options(app, options->cache);
  app.add_flag("--json", options->json, "Print JSON");
  app.footer(
      "Loads no module, opens no device, and leaves nothing behind. Exit status 0 when at least\n"
      "one transport is ready, 1 when none is.");
  return [options](cli::Io& io) { return run_doctor(*options, io); };
}

}  // namespace

int run_doctor(const DoctorOptions& options, cli::Io& io) {
  Diagnosis diagnosis{probe::probe_kernel(), probe::probe_file_system(options.cache.root), {}};
  diagnosis.verdicts = probe::judge(diagnosis.kernel, diagnosis.files);
  if (options.json)
    io.out << to_json(diagnosis) << '\n';
  else
    print(diagnosis, io.out);
  const bool any = std::any_of(diagnosis.verdicts.begin(), diagnosis.verdicts.end(),
                               [](const probe::Verdict& verdict) { return verdict.is_ready(); });
  return any ? 0 : 1;
}

const Command kDoctorCommand{"doctor", "Say what this machine can do and what is missing", define};

}  // namespace ondemand::blobctl
