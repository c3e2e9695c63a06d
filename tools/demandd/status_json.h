// SPDX-License-Identifier: Apache-2.0
//
// The state of a running demandd as JSON and as log lines.
#pragma once

#include <string>
#include <vector>

#include "serve/engine.h"
#include "transport/transport.h"
#include "util/log.h"

namespace ondemand::demandd {

struct Status {
  std::string transport;
  int pid = 0;
  std::size_t images = 0;
  transport::TransportCounters totals;
  std::vector<transport::WatchedFileInfo> files;
  std::vector<serve::BlobStats> blobs;
};

// A JSON object on one line.
std::string status_json(const Status& status);
// Totals, and a line for each blob that was asked for.
void log_status(const Status& status, util::Log& log);

}  // namespace ondemand::demandd
