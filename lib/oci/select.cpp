// SPDX-License-Identifier: Apache-2.0
#include "oci/select.h"

#include <algorithm>
#include <set>

#include "format/image_spec.h"
#include "oci/json.h"
#include "oci/media_type.h"
#include "oci/reference.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::oci {

namespace {

// Written by containerd, and so by `docker save` since version 25: the full name with registry.
constexpr std::string_view kAnnotationContainerdName = "io.containerd.image.name";
// Source: BuildKit, docs/attestations/attestation-storage.md.
constexpr std::string_view kAnnotationDockerReference = "vnd.docker.reference.type";

bool is_attestation(const Descriptor& entry) {
  return entry.annotation(kAnnotationDockerReference) == "attestation-manifest" ||
         (entry.platform && entry.platform->os == "unknown" &&
          entry.platform->architecture == "unknown");
}

class Collector {
 public:
  Collector(const DocumentReader& read, std::string_view name) : read_(read), name_(name) {}

  // Depth is bounded by the number of distinct indexes: a document cannot hold its own digest, and
  // each is followed once.
  void add(const std::vector<Descriptor>& entries, const std::optional<Platform>& inherited) {
    for (Descriptor entry : entries) {
      if (!seen_.insert(entry.digest).second || is_attestation(entry)) continue;
      if (!entry.platform) entry.platform = inherited;
      if (wanted_ == entry.digest) found_entry = entry;
      if (found_entry) return;
      if (is_index_type(entry.media_type)) {
        follow(entry);
      } else {
        if (found.size() >= kMaxManifests) fail("names too many manifests");
        found.push_back(std::move(entry));
      }
    }
  }

  // As add(), until the entry of that digest is there: found_entry.
  void search(const std::vector<Descriptor>& entries, const hash::Digest& wanted) {
    wanted_ = wanted;
    add(entries, std::nullopt);
  }

  std::vector<Descriptor> found;
  std::optional<Descriptor> found_entry;

 private:
  [[noreturn]] void fail(std::string_view reason) const {
    throw util::Error(util::ErrorCode::kTooLarge, util::concat(name_, ": read index: ", reason));
  }

  void follow(const Descriptor& entry) {
    if (++indexes_ > kMaxNestedIndexes) fail("names too many indexes");
    const auto json = read_(entry);
    if (!json) return;
    const Index index =
        parse_index(*json, util::concat(name_, ": index ", entry.digest.to_string()));
    add(index.manifests, entry.platform);
  }

  const DocumentReader& read_;
  std::string_view name_;
  std::optional<hash::Digest> wanted_;
  std::set<hash::Digest> seen_;
  std::size_t indexes_ = 0;
};

}  // namespace

std::vector<Descriptor> collect_manifests(const std::vector<Descriptor>& entries,
                                          const DocumentReader& read, std::string_view name) {
  Collector collector(read, name);
  collector.add(entries, std::nullopt);
  return std::move(collector.found);
}

std::optional<Descriptor> find_entry(const std::vector<Descriptor>& entries,
                                     const hash::Digest& digest, const DocumentReader& read,
                                     std::string_view name) {
  // No index needs to be read for what stands at the top.
  const auto top = std::ranges::find_if(entries, [&](const Descriptor& entry) {
    return entry.digest == digest && !is_attestation(entry);
  });
  if (top != entries.end()) return *top;
  Collector collector(read, name);
  for (const Descriptor& entry : entries) {
    collector.search({entry}, digest);
    if (!collector.found_entry) continue;
    Descriptor found = *std::move(collector.found_entry);
    const std::string above = display_name(entry);
    if (display_name(found).empty() && !above.empty())
      found.annotations[std::string(format::kAnnotationRefName)] = above;
    return found;
  }
  return std::nullopt;
}

std::vector<Descriptor> entries_named(const std::vector<Descriptor>& entries,
                                      std::string_view ref) {
  std::vector<Descriptor> out;
  std::ranges::copy_if(entries, std::back_inserter(out), [&](const Descriptor& entry) {
    return entry.annotation(format::kAnnotationRefName) == ref ||
           entry.annotation(kAnnotationContainerdName) == ref;
  });
  return out;
}

std::string display_name(const Descriptor& entry) {
  const std::string full = entry.annotation(kAnnotationContainerdName);
  return full.empty() ? entry.annotation(format::kAnnotationRefName) : full;
}

bool is_erofs_entry(const Descriptor& entry) {
  return entry.platform && has_os_feature(*entry.platform, format::kOsFeatureErofs);
}

}  // namespace ondemand::oci
