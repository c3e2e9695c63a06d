// SPDX-License-Identifier: Apache-2.0
#include "source/select.h"

#include <algorithm>

#include "oci/reference.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::source {
namespace {

bool is_for_linux(const oci::Descriptor& entry) {
  return !entry.platform || entry.platform->os.empty() || entry.platform->os == "linux";
}

}  // namespace

std::optional<oci::Descriptor> select_manifest(const std::vector<oci::Descriptor>& entries,
                                               const oci::DocumentReader& read,
                                               std::string_view name) {
  const auto all = oci::collect_manifests(entries, read, name);
  if (all.empty()) return std::nullopt;
  if (all.size() == 1) return all.front();

  std::vector<oci::Descriptor> erofs;
  std::copy_if(all.begin(), all.end(), std::back_inserter(erofs), [](const oci::Descriptor& entry) {
    return is_for_linux(entry) && oci::is_erofs_entry(entry);
  });
  if (erofs.empty())
    throw util::Error(util::ErrorCode::kUnsupported,
                      util::concat(name, ": select: none of its ", all.size(),
                                   " manifests is marked as an EROFS image"));
  if (erofs.size() == 1) return erofs.front();
  const auto host = oci::host_platform();
  const auto match =
      std::find_if(erofs.begin(), erofs.end(), [&host](const oci::Descriptor& entry) {
        return entry.platform && oci::matches(host, *entry.platform);
      });
  if (match == erofs.end())
    throw util::Error(util::ErrorCode::kUnsupported,
                      util::concat(name, ": select: none of its ", erofs.size(),
                                   " EROFS images is for ", oci::to_string(host)));
  return *match;
}

}  // namespace ondemand::source
