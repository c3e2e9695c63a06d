// SPDX-License-Identifier: Apache-2.0
#include "oci/index_edit.h"

#include "format/image_spec.h"
#include "oci/json.h"
#include "oci/json_dom.h"

namespace ondemand::oci {

namespace {

std::string entry_name(const Json& entry) {
  const Json* annotations = find_member(entry, "annotations");
  return annotations == nullptr
             ? std::string()
             : text_member(*annotations, format::kAnnotationRefName, "index", "annotations");
}

void set_entry_name(Json& entry, std::string_view ref) {
  entry["annotations"][std::string(format::kAnnotationRefName)] = ref;
}

void drop_entry_name(Json& entry) {
  Json& annotations = entry["annotations"];
  annotations.erase(std::string(format::kAnnotationRefName));
  if (annotations.empty()) entry.erase("annotations");
}

// Takes the name away from every entry of another manifest.
std::optional<hash::Digest> release_name(Json& entries, const Descriptor& manifest,
                                         std::string_view ref) {
  std::optional<hash::Digest> moved_from;
  Json kept = Json::array();
  for (Json& entry : entries) {
    const bool loses_name =
        entry_name(entry) == ref && entry["digest"] != manifest.digest.to_string();
    if (loses_name) {
      if (!moved_from) moved_from = hash::Digest::parse(entry["digest"].get<std::string>());
      drop_entry_name(entry);
    }
    bool duplicate = false;
    if (loses_name)
      for (const Json& other : entries)
        duplicate |= &other != &entry && other == entry;
    if (!duplicate) kept.push_back(entry);
  }
  entries = std::move(kept);
  return moved_from;
}

}  // namespace

IndexEdit add_to_index(std::string_view index_json, std::string_view name,
                       const Descriptor& manifest, std::string_view ref) {
  parse_index(index_json, name);  // checks the form of every entry
  Json document = parse_json(index_json, kMaxIndexBytes, name);
  Json& entries = document["manifests"];
  if (entries.is_null()) entries = Json::array();

  IndexEdit out;
  Json* unnamed = nullptr;
  bool present = false;
  if (!ref.empty()) out.moved_from = release_name(entries, manifest, ref);
  for (Json& entry : entries) {
    if (entry["digest"] != manifest.digest.to_string()) continue;
    const std::string has = entry_name(entry);
    present |= ref.empty() || has == ref;
    if (has.empty() && unnamed == nullptr) unnamed = &entry;
  }
  if (present && !out.moved_from) {
    out.json = std::string(index_json);
    return out;
  }
  if (!present && unnamed != nullptr) {
    set_entry_name(*unnamed, ref);
  } else if (!present) {
    Json entry = descriptor_to_json(manifest);
    if (!ref.empty()) set_entry_name(entry, ref);
    entries.push_back(std::move(entry));
  }
  out.changed = true;
  out.json = dump_document(document);
  return out;
}

}  // namespace ondemand::oci
