// SPDX-License-Identifier: Apache-2.0
#include "demandd/status_json.h"

#include <map>
#include <nlohmann/json.hpp>

namespace ondemand::demandd {

namespace {

using Json = nlohmann::ordered_json;

struct Sums {
  std::uint64_t fetches = 0;
  std::uint64_t bytes = 0;
};

Sums sum(const std::vector<serve::BlobStats>& blobs) {
  Sums sums;
  for (const serve::BlobStats& blob : blobs) {
    sums.fetches += blob.fetches;
    sums.bytes += blob.bytes_fetched;
  }
  return sums;
}

}  // namespace

std::string status_json(const Status& status) {
  std::map<hash::Digest, const serve::BlobStats*> stats;
  for (const serve::BlobStats& blob : status.blobs)
    stats[blob.blob] = &blob;
  Json blobs = Json::array();
  for (const transport::WatchedFileInfo& file : status.files) {
    const auto found = stats.find(file.digest);
    const serve::BlobStats blob = found == stats.end() ? serve::BlobStats{} : *found->second;
    blobs.push_back(Json{{"digest", file.digest.to_string()},
                         {"size", file.size},
                         {"complete", file.is_complete},
                         {"requests", file.requests},
                         {"errors", file.errors},
                         {"fetches", blob.fetches},
                         {"bytes_fetched", blob.bytes_fetched},
                         {"last_error", blob.last_error}});
  }
  const Sums sums = sum(status.blobs);
  const transport::TransportCounters& totals = status.totals;
  const Json all{{"pid", status.pid},
                 {"transport", status.transport},
                 {"images", status.images},
                 {"fetches", sums.fetches},
                 {"bytes_fetched", sums.bytes},
                 {"totals",
                  {{"requests", totals.requests},
                   {"present", totals.present},
                   {"served", totals.served},
                   {"errors", totals.refused},
                   {"replayed", totals.replayed},
                   {"malformed", totals.malformed}}},
                 {"blobs", std::move(blobs)}};
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void log_status(const Status& status, util::Log& log) {
  for (const serve::BlobStats& blob : status.blobs) {
    log.info("blob", {{"blob", blob.blob.hex()},
                      {"requests", blob.requests},
                      {"fetches", blob.fetches},
                      {"bytes_fetched", blob.bytes_fetched},
                      {"errors", blob.errors},
                      {"last_error", blob.last_error}});
  }
  const Sums sums = sum(status.blobs);
  log.info("totals", {{"requests", status.totals.requests},
                      {"present", status.totals.present},
                      {"served", status.totals.served},
                      {"errors", status.totals.refused},
                      {"fetches", sums.fetches},
                      {"bytes_fetched", sums.bytes}});
}

}  // namespace ondemand::demandd
