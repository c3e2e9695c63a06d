// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "oci/config.h"
#include "oci/json.h"
#include "oci/media_type.h"
#include "oci/reference.h"
#include "oci/select.h"
#include "store/store.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::store {

using oci::Descriptor;
using util::concat;
using util::Error;
using util::ErrorCode;

namespace {

oci::DocumentReader index_reader(const Store& store) {
  return [&store](const Descriptor& descriptor) -> std::optional<std::string> {
    if (!store.has_blob(descriptor.digest)) return std::nullopt;
    return store.read_small_blob(descriptor.digest, oci::kMaxIndexBytes);
  };
}

// The platform of an entry that does not say it.
oci::Platform read_platform(const Store& store, const Descriptor& entry) {
  const std::string name = concat(store.name(), ": manifest ", entry.digest.to_string());
  const oci::Manifest manifest =
      oci::parse_manifest(store.read_small_blob(entry.digest, oci::kMaxManifestBytes), name);
  const std::string config = store.read_small_blob(manifest.config.digest, oci::kMaxConfigBytes);
  return oci::parse_config(config, concat(name, ": config")).platform;
}

template <class Predicate>
std::vector<Descriptor> filter(const std::vector<Descriptor>& entries, Predicate predicate) {
  std::vector<Descriptor> out;
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(out), predicate);
  return out;
}

}  // namespace

std::optional<Descriptor> Store::choose(const std::vector<Descriptor>& entries,
                                        std::string_view reference) const {
  const std::string what = concat(name_, ": resolve '", util::printable(reference), "': ");
  std::vector<Descriptor> images = oci::collect_manifests(entries, index_reader(*this), name_);
  if (images.empty()) throw Error(ErrorCode::kCorrupt, concat(what, "leads to no image"));
  if (images.size() == 1) return images.front();
  for (Descriptor& image : images)
    if (!image.platform) image.platform = read_platform(*this, image);
  const std::vector<Descriptor> erofs = filter(images, oci::is_erofs_entry);
  const std::vector<Descriptor>& rest = erofs.empty() ? images : erofs;
  if (rest.size() == 1) return rest.front();
  const oci::Platform host = oci::host_platform();
  const std::vector<Descriptor> fitting =
      filter(rest, [&](const Descriptor& image) { return oci::matches(host, *image.platform); });
  if (fitting.size() == 1) return fitting.front();
  std::string names;
  for (const Descriptor& image : rest)
    names.append(names.empty() ? "" : ", ")
        .append(concat(image.digest.to_string(), " (", oci::to_string(*image.platform), ")"));
  throw Error(ErrorCode::kUnsupported, concat(what, "means several images: ", names));
}

std::optional<Descriptor> Store::resolve(std::string_view reference) const {
  const std::vector<Descriptor> entries = list();
  const auto digest = hash::Digest::parse(reference);
  if (!digest) {
    const std::vector<Descriptor> named = oci::entries_named(entries, reference);
    if (named.empty()) return std::nullopt;
    return choose(named, reference);
  }
  const auto found = std::ranges::find(entries, *digest, &Descriptor::digest);
  if (found != entries.end()) {
    if (!oci::is_index_type(found->media_type)) return *found;
    return choose({*found}, reference);
  }
  const std::vector<Descriptor> nested =
      oci::collect_manifests(entries, index_reader(*this), name_);
  const auto inner = std::ranges::find(nested, *digest, &Descriptor::digest);
  if (inner == nested.end()) return std::nullopt;
  return *inner;
}

}  // namespace ondemand::store
