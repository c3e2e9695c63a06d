// SPDX-License-Identifier: Apache-2.0
#include "oci/json.h"

#include "format/image_spec.h"
#include "oci/json_dom.h"
#include "oci/media_type.h"
#include "util/error.h"
#include "util/text.h"

namespace ondemand::oci {

namespace {

using util::concat;

Json parse_top(std::string_view json, std::size_t limit, std::string_view name) {
  Json document = parse_json(json, limit, name);
  require_object(document, name, "the document");
  return document;
}

bool is_index_document(const Json& document, std::string_view name) {
  const bool has_manifests = document.contains("manifests");
  const bool has_layers = document.contains("layers") || document.contains("config");
  // Two readers could disagree about such a document (CVE-2021-41190).
  if (has_manifests && has_layers)
    throw_bad_json(name, "the document", "is a manifest and an index at once");
  const std::string media_type = text_member(document, "mediaType", name, "document");
  return media_type.empty() ? has_manifests : is_index_type(media_type);
}

void check_schema_version(const Json& document, std::string_view name) {
  const Json* version = find_member(document, "schemaVersion");
  if (version == nullptr || !version->is_number_integer() || *version != 2)
    throw_bad_json(name, "schemaVersion", "is not 2");
}

std::vector<Descriptor> parse_descriptors(const Json& document, std::string_view key,
                                          std::string_view name) {
  std::vector<Descriptor> out;
  const Json* member = find_member(document, key);
  if (member == nullptr) return out;
  if (!member->is_array()) throw_bad_json(name, key, "is not an array");
  if (member->size() > kMaxLayers) throw_bad_json(name, key, "has too many entries");
  for (std::size_t i = 0; i < member->size(); ++i)
    out.push_back(parse_descriptor((*member)[i], name, concat(key, "[", i, "]")));
  return out;
}

Annotations parse_document_annotations(const Json& document, std::string_view name) {
  Annotations out;
  const Json* member = find_member(document, "annotations");
  if (member == nullptr) return out;
  require_object(*member, name, "annotations");
  for (auto item = member->begin(); item != member->end(); ++item)
    out.emplace(item.key(), text_member(*member, item.key(), name, "annotations"));
  return out;
}

Json descriptors_to_json(const std::vector<Descriptor>& descriptors) {
  Json out = Json::array();
  for (const Descriptor& descriptor : descriptors)
    out.push_back(descriptor_to_json(descriptor));
  return out;
}

}  // namespace

void check_layout_file(std::string_view json, std::string_view name) {
  const Json document = parse_top(json, kMaxIndexBytes, name);
  const std::string version = text_member(document, "imageLayoutVersion", name, "document");
  if (version.empty()) throw_bad_json(name, "imageLayoutVersion", "is missing");
  if (!version.starts_with("1.")) {
    throw util::Error(util::ErrorCode::kUnsupported,
                      concat(name, ": parse: image layout version '", util::printable(version),
                             "' is not supported (1.0.0 is)"));
  }
}

bool is_index(std::string_view json, std::string_view name) {
  return is_index_document(parse_top(json, kMaxIndexBytes, name), name);
}

Manifest parse_manifest(std::string_view json, std::string_view name) {
  const Json document = parse_top(json, kMaxManifestBytes, name);
  if (is_index_document(document, name))
    throw_bad_json(name, "the document", "is an image index, not an image manifest");
  check_schema_version(document, name);
  Manifest out;
  out.media_type = text_member(document, "mediaType", name, "document");
  out.artifact_type = text_member(document, "artifactType", name, "document");
  const Json* config = find_member(document, "config");
  if (config == nullptr) throw_bad_json(name, "config", "is missing");
  out.config = parse_descriptor(*config, name, "config");
  if (find_member(document, "layers") == nullptr) throw_bad_json(name, "layers", "is missing");
  out.layers = parse_descriptors(document, "layers", name);
  if (const Json* subject = find_member(document, "subject"))
    out.subject = parse_descriptor(*subject, name, "subject");
  out.annotations = parse_document_annotations(document, name);
  return out;
}

Index parse_index(std::string_view json, std::string_view name) {
  const Json document = parse_top(json, kMaxIndexBytes, name);
  // An empty index may have a null list: "mediaType" or the mere member name then decides.
  if (!is_index_document(document, name))
    throw_bad_json(name, "the document", "is not an image index");
  check_schema_version(document, name);
  Index out;
  out.manifests = parse_descriptors(document, "manifests", name);
  out.annotations = parse_document_annotations(document, name);
  return out;
}

std::string to_json(const Manifest& manifest) {
  Json out = {{"schemaVersion", 2}};
  out["mediaType"] =
      manifest.media_type.empty() ? std::string(format::kMediaOciManifest) : manifest.media_type;
  if (!manifest.artifact_type.empty()) out["artifactType"] = manifest.artifact_type;
  out["config"] = descriptor_to_json(manifest.config);
  out["layers"] = descriptors_to_json(manifest.layers);
  if (manifest.subject) out["subject"] = descriptor_to_json(*manifest.subject);
  if (!manifest.annotations.empty()) out["annotations"] = manifest.annotations;
  return dump_document(out);
}

std::string to_json(const Index& index) {
  Json out = {{"schemaVersion", 2}, {"mediaType", format::kMediaOciIndex}};
  out["manifests"] = descriptors_to_json(index.manifests);
  if (!index.annotations.empty()) out["annotations"] = index.annotations;
  return dump_document(out);
}

}  // namespace ondemand::oci
